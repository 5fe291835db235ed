"""What preparing does to rows, one small function each: Frame in, Frame out.

In: a Frame of Examples. Out: the Frame without some rows, each with its reason, or with a column or
a finding more. Never: a field changed, or a row gone without its reason.
"""
