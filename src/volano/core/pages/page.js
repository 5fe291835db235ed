"use strict";
// Draws each chart from the JSON beside it, in the colours of page.css, and again when the width,
// the colour scheme or the medium changes. Texts become text nodes: nothing is parsed as HTML.
(() => {
  const MANY_POINTS = 4000; // past this, SVG is slow and a canvas is drawn
  const figures = [...document.querySelectorAll("figure.chart")];
  const tag = document.documentElement.lang;
  const fixed = (digits) => new Intl.NumberFormat(tag, { maximumFractionDigits: digits });
  const formats = {
    count: (value) => fixed(3).format(value),
    metric: (value) => fixed(3).format(value),
    percent: (value) => `${fixed(1).format(value * 100)}%`,
  };

  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (value) => {
    const found = typeof value === "string" && /^var\((--[a-z0-9-]+)\)$/.exec(value);
    return found ? token(found[1]) : value;
  };

  // A copy with colours looked up and named formats turned into functions.
  const resolve = (node, key) => {
    if (Array.isArray(node)) return node.map((member) => resolve(member, key));
    if (node === null || typeof node !== "object") return /color$/i.test(key) ? colour(node) : node;
    const copy = {};
    for (const [name, member] of Object.entries(node)) copy[name] = resolve(member, name);
    if (key === "axisLabel" && formats[node.format]) copy.formatter = formats[node.format];
    return copy;
  };

  const tip = (series) => (params) => {
    const box = document.createElement("div");
    const points = [].concat(params);
    const line = (text, hue) => {
      const row = box.appendChild(document.createElement("div"));
      if (hue) row.appendChild(document.createElement("i")).style.background = hue;
      row.append(text);
    };
    if (points[0].data && points[0].data.tip) points[0].data.tip.split("\n").forEach((t) => line(t));
    else {
      line(formats.count(points[0].axisValue ?? points[0].value[0]));
      for (const point of points) {
        const write = formats[(series[point.seriesIndex] || {}).format] || formats.metric;
        line(`${point.seriesName}  ${write([].concat(point.value).at(-1))}`, point.color);
      }
    }
    return box;
  };

  const theme = () => {
    const [ink, muted, line, paper] = ["--ink", "--muted", "--line", "--paper"].map(token);
    const axis = {
      axisLine: { lineStyle: { color: line } },
      axisTick: { show: false },
      axisLabel: { color: muted, fontSize: 12 },
      splitLine: { lineStyle: { color: line } },
      nameTextStyle: { color: muted, fontSize: 12 },
    };
    return {
      color: [1, 2, 3, 4, 5, 6, 7, 8].map((i) => token(`--series-${i}`)),
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: ink },
      categoryAxis: { ...axis, splitLine: { show: false } },
      valueAxis: { ...axis, axisLine: { show: false } },
      legend: { textStyle: { color: ink }, itemWidth: 14, itemHeight: 10, icon: "roundRect" },
      tooltip: {
        confine: true, backgroundColor: paper, borderColor: line, className: "tip",
        textStyle: { color: ink, fontSize: 13 },
        axisPointer: { lineStyle: { color: muted } },
      },
    };
  };

  // On a narrow screen the labels may not take the plot's place.
  const narrow = (option, width) => {
    for (const side of ["xAxis", "yAxis"]) {
      const axis = option[side];
      if (!axis || axis.type !== "category" || !axis.axisLabel) continue;
      if (side === "yAxis") {
        axis.axisLabel.width = Math.min(axis.axisLabel.width, Math.round(width * 0.32));
      } else if (axis.axisLabel.width) {
        axis.axisLabel.width = 90;
        axis.axisLabel.rotate = width / axis.data.length < 90 ? 45 : 0;
      }
    }
  };

  const draw = (figure) => {
    const plot = figure.querySelector(".plot");
    const option = JSON.parse(figure.querySelector("script").textContent);
    const series = option.series || [];
    const numPoints = series.reduce((sum, one) => sum + (one.data || []).length, 0);
    const ready = resolve(option, "");
    plot.style.height = `${plot.dataset.height}px`;
    plot.drawnWidth = plot.clientWidth;
    if (!plot.clientWidth) return; // inside closed details: drawn when opened
    narrow(ready, plot.clientWidth);
    ready.tooltip = { ...ready.tooltip, formatter: tip(series) };
    ready.animation = false;
    if (figure.chart) figure.chart.dispose();
    figure.chart = echarts.init(plot, theme(), { renderer: numPoints > MANY_POINTS ? "canvas" : "svg" });
    figure.chart.setOption(ready);
    figure.classList.add("drawn");
  };

  const drawAll = () => figures.forEach(draw);
  const widths = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      if (Math.round(contentRect.width) !== target.drawnWidth) draw(target.closest("figure"));
    }
  });
  drawAll();
  for (const figure of figures) widths.observe(figure.querySelector(".plot"));
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", drawAll);
  }
})();
