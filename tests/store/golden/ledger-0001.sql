BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE artifacts (
	hash VARCHAR(64) NOT NULL, 
	noun VARCHAR(16) NOT NULL, 
	card JSON NOT NULL, 
	at FLOAT NOT NULL, 
	CONSTRAINT pk_artifacts PRIMARY KEY (hash)
);
INSERT INTO "artifacts" VALUES('8af0d2153b583cdab2505608248fe33e05582eada9d4f40679e19756f0329535','dataset','{"stage":"collected","sources":[{"path":"rows.csv","licence":"CC0-1.0","mode":"replace","key":"id","split":"","format":"delimited text","encoding":"utf-8","delimiter":"comma","quoting":"double quotes","sha256":"f04748594eb99bc6a22bad25d3a6033d506853defb6f1884dbc770e3dbf6f146","read":60,"broken":0,"rows":60}],"schema":{"fields":{"text":["body"],"target":"topic","group":"tier","subject":"customer","time":""},"columns":{"id":"string","body":"string","topic":"string","tier":"string","customer":"string"}},"counts":{"read":60,"broken":0,"rows":60,"labelled":60,"unlabelled":0},"dropped":{},"broken":[],"suppressed":0,"changes":{"new":60,"edited":0,"deleted":0,"kept":0},"feedback":{"replaced":0,"added":0,"example-gone":0},"findings":[],"notes":[]}',1.79533615115407228467e+09);
INSERT INTO "artifacts" VALUES('64794bdca63b388bcb129e534e4b97b52be2bc57a7756b715ffeab02b5305a5f','dataset','{"broken":[],"changes":{"new":60,"edited":0,"deleted":0,"kept":0},"feedback":{"replaced":0,"added":0,"example-gone":0},"suppressed":0,"stage":"prepared","collected":"8af0d2153b583cdab2505608248fe33e05582eada9d4f40679e19756f0329535","settings":{"near_duplicates":0.7,"conflicts":"majority","rare_labels":2,"split":{"test":0.3,"validation":0.1,"together":"auto","by_time":false}},"sources":[{"path":"rows.csv","licence":"CC0-1.0","mode":"replace","key":"id","split":"","format":"delimited text","encoding":"utf-8","delimiter":"comma","quoting":"double quotes","sha256":"f04748594eb99bc6a22bad25d3a6033d506853defb6f1884dbc770e3dbf6f146","read":60,"broken":0,"rows":60,"prepared":60}],"schema":{"fields":{"text":["body"],"target":"topic","group":"tier","subject":"customer","time":""},"columns":{"id":"string","body":"string","topic":"string","tier":"string","customer":"string"}},"counts":{"read":60,"broken":0,"rows":60,"labelled":60,"unlabelled":0,"splits":{"train":36,"validation":6,"test":18,"none":0},"old_skills":0},"dropped":{},"findings":[{"kind":"warn","text":"The test set has {count} rows: intervals will be wide, and small gains go unseen.","values":{"count":18}}],"notes":["The test set has 18 rows: intervals will be wide, and small gains go unseen."]}',1.79533615115617418284e+09);
INSERT INTO "artifacts" VALUES('862599dfa930cad0d8201ae2eeba5703907111459c18d12a19ca4c6fcbb0caef','model','{"learner":"linear","dataset":"64794bdca63b388bcb129e534e4b97b52be2bc57a7756b715ffeab02b5305a5f","labels":["account","delivery","refund"],"label_counts":{"delivery":14,"refund":14,"account":14},"training":{"settings":{"separator":"C=0.5"},"features":429,"rows":42,"out_of_fold":{"accuracy":0.9761904761904762,"macro_f1":0.9761600681140911,"micro_f1":0.9761904761904762,"macro_precision":0.9777777777777779,"macro_recall":0.9761904761904763,"log_loss":0.08975250135524791,"calibration_error":0.05325158939819271}}}',1.79533615115730810166e+09);
INSERT INTO "artifacts" VALUES('507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','model','{"learner":"linear","dataset":"64794bdca63b388bcb129e534e4b97b52be2bc57a7756b715ffeab02b5305a5f","labels":["account","delivery","refund"],"label_counts":{"delivery":14,"refund":14,"account":14},"training":{"settings":{"separator":"C=0.5"},"features":429,"rows":42,"out_of_fold":{"accuracy":0.9761904761904762,"macro_f1":0.9761600681140911,"micro_f1":0.9761904761904762,"macro_precision":0.9777777777777779,"macro_recall":0.9761904761904763,"log_loss":0.08975250135524791,"calibration_error":0.05325158939819271}},"native":"862599dfa930cad0d8201ae2eeba5703907111459c18d12a19ca4c6fcbb0caef","form":"float16","parity":{"rows":42,"score_gap":5.816939089298145e-07,"logit_gap":0.00022658574980400275,"agreement":1.0}}',1795336151.15839);
INSERT INTO "artifacts" VALUES('7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3','report','{"model":"507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6","dataset":"64794bdca63b388bcb129e534e4b97b52be2bc57a7756b715ffeab02b5305a5f","num_examples":18}',1.79533615115943074227e+09);
CREATE TABLE audit (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	actor VARCHAR(200) NOT NULL, 
	action VARCHAR(64) NOT NULL, 
	detail JSON NOT NULL
);
INSERT INTO "audit" VALUES(1,1.79533615110287308688e+09,'volano','promote','{"release":1,"model":"507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6","because":"first model of this project; it beats guessing ''account'': accuracy 1.000 against 0.333, gain +0.667, 95% interval +0.383 to +0.899, on 18 frozen examples","forced":false}');
CREATE TABLE edges (
	parent VARCHAR(64) NOT NULL, 
	child VARCHAR(64) NOT NULL, 
	role VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_edges PRIMARY KEY (parent, child, role), 
	CONSTRAINT fk_edges_parent FOREIGN KEY(parent) REFERENCES artifacts (hash), 
	CONSTRAINT fk_edges_child FOREIGN KEY(child) REFERENCES artifacts (hash)
);
INSERT INTO "edges" VALUES('8af0d2153b583cdab2505608248fe33e05582eada9d4f40679e19756f0329535','64794bdca63b388bcb129e534e4b97b52be2bc57a7756b715ffeab02b5305a5f','prepared');
INSERT INTO "edges" VALUES('64794bdca63b388bcb129e534e4b97b52be2bc57a7756b715ffeab02b5305a5f','862599dfa930cad0d8201ae2eeba5703907111459c18d12a19ca4c6fcbb0caef','trained');
INSERT INTO "edges" VALUES('862599dfa930cad0d8201ae2eeba5703907111459c18d12a19ca4c6fcbb0caef','507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','exported');
INSERT INTO "edges" VALUES('507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3','scored');
INSERT INTO "edges" VALUES('64794bdca63b388bcb129e534e4b97b52be2bc57a7756b715ffeab02b5305a5f','7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3','scored on');
CREATE TABLE events (
	id INTEGER NOT NULL, 
	turn INTEGER NOT NULL, 
	at FLOAT NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	stage VARCHAR(200) NOT NULL, 
	text TEXT NOT NULL, 
	done INTEGER NOT NULL, 
	total INTEGER NOT NULL, 
	value FLOAT, 
	CONSTRAINT pk_events PRIMARY KEY (id), 
	CONSTRAINT fk_events_turn FOREIGN KEY(turn) REFERENCES turns (number)
);
INSERT INTO "events" VALUES(1,1,1.79533614864454293255e+09,'stage','collect','collect',0,1,NULL);
INSERT INTO "events" VALUES(2,1,1.79533614869723749164e+09,'stage','collect','collect',1,1,NULL);
INSERT INTO "events" VALUES(3,1,1.79533614870753717419e+09,'stage','prepare','prepare',0,1,NULL);
INSERT INTO "events" VALUES(4,1,1.79533614875629878048e+09,'stage','prepare','looking for near-duplicates',0,1,NULL);
INSERT INTO "events" VALUES(5,1,1.79533614892555665968e+09,'stage','prepare','looking for near-duplicates',1,1,NULL);
INSERT INTO "events" VALUES(6,1,1.79533614892725801467e+09,'warning','prepare','The test set has 18 rows: intervals will be wide, and small gains go unseen.',0,0,NULL);
INSERT INTO "events" VALUES(7,1,1.79533614893469190597e+09,'stage','prepare','prepare',1,1,NULL);
INSERT INTO "events" VALUES(8,1,1.79533614894277524952e+09,'stage','train.linear','train.linear',0,1,NULL);
INSERT INTO "events" VALUES(9,1,1.79533615092547583578e+09,'stage','train.linear','train.linear',1,1,NULL);
INSERT INTO "events" VALUES(10,1,1.79533615094353270528e+09,'stage','train.choose','train.choose',0,1,NULL);
INSERT INTO "events" VALUES(11,1,1.79533615094439888003e+09,'stage','train.choose','train.choose',1,1,NULL);
INSERT INTO "events" VALUES(12,1,1.79533615095130562777e+09,'stage','export.linear','export.linear',0,1,NULL);
INSERT INTO "events" VALUES(13,1,1.7953361509902143479e+09,'stage','export.linear','export.linear',1,1,NULL);
INSERT INTO "events" VALUES(14,1,1.79533615099935030942e+09,'stage','evaluate.507b333db61b','evaluate.507b333db61b',0,1,NULL);
INSERT INTO "events" VALUES(15,1,1.79533615105625081066e+09,'stage','evaluate.507b333db61b','evaluate.507b333db61b',1,1,NULL);
INSERT INTO "events" VALUES(16,1,1.79533615106471657755e+09,'stage','judge','judge',0,1,NULL);
INSERT INTO "events" VALUES(17,1,1.79533615109406375883e+09,'stage','judge','judge',1,1,NULL);
INSERT INTO "events" VALUES(18,1,1.79533615110017013552e+09,'stage','promote','promote',0,1,NULL);
INSERT INTO "events" VALUES(19,1,1.79533615110434532167e+09,'stage','promote','promote',1,1,NULL);
CREATE TABLE feedback (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	prediction VARCHAR(200) NOT NULL, 
	label JSON, 
	score FLOAT, 
	output TEXT, 
	comment TEXT, 
	"by" VARCHAR(200)
);
INSERT INTO "feedback" VALUES(1,1.79533615138138389591e+09,'p0','["delivery"]',NULL,NULL,NULL,'ann');
INSERT INTO "feedback" VALUES(2,1.79533615138138389591e+09,'p1','["account"]',NULL,NULL,'no','bo');
CREATE TABLE metrics (
	report VARCHAR(64) NOT NULL, 
	model VARCHAR(64) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	value FLOAT NOT NULL, 
	low FLOAT NOT NULL, 
	high FLOAT NOT NULL, 
	at FLOAT NOT NULL, 
	CONSTRAINT pk_metrics PRIMARY KEY (report, name), 
	CONSTRAINT fk_metrics_report FOREIGN KEY(report) REFERENCES artifacts (hash), 
	CONSTRAINT fk_metrics_model FOREIGN KEY(model) REFERENCES artifacts (hash)
);
INSERT INTO "metrics" VALUES('7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3','507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','accuracy',1.0,1.0,1.0,1.79533615116813778872e+09);
INSERT INTO "metrics" VALUES('7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3','507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','calibration_error',1.45656071516014531258e-02,2.76906970539286334878e-03,4.31546608810003812228e-02,1.79533615116813778872e+09);
INSERT INTO "metrics" VALUES('7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3','507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','log_loss',1.56069158965247544584e-02,2.77968597919305742197e-03,4.70303616640724425623e-02,1.79533615116813778872e+09);
INSERT INTO "metrics" VALUES('7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3','507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','macro_f1',1.0,1.0,1.0,1.79533615116813778872e+09);
INSERT INTO "metrics" VALUES('7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3','507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','macro_precision',1.0,1.0,1.0,1.79533615116813778872e+09);
INSERT INTO "metrics" VALUES('7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3','507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','macro_recall',1.0,1.0,1.0,1.79533615116813778872e+09);
INSERT INTO "metrics" VALUES('7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3','507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','micro_f1',1.0,1.0,1.0,1.79533615116813778872e+09);
CREATE TABLE predictions (
	id VARCHAR(64) NOT NULL, 
	at FLOAT NOT NULL, 
	model VARCHAR(64) NOT NULL, 
	input JSON, 
	input_hash VARCHAR(64), 
	output JSON NOT NULL, 
	subject VARCHAR(500), 
	"group" VARCHAR(500), 
	latency_ms FLOAT NOT NULL, 
	CONSTRAINT pk_predictions PRIMARY KEY (id)
);
INSERT INTO "predictions" VALUES('p0',1700000000.0,'507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','{"body":"Where is my parcel"}','c5109c72fbe1c199ad34f936614c4e45feadbc60fa7169813b333f7edddbaed0','{"label":["delivery"]}','customer-0',NULL,0.0);
INSERT INTO "predictions" VALUES('p1',1700000001.0,'507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','{"body":"我要退款"}','05a42ba9e8b8ed5ff0e178d0fda7b630a4292574bb0c562e74ad6e010860e4fe','{"label":["refund"]}','customer-1',NULL,0.0);
INSERT INTO "predictions" VALUES('p2',1700000002.0,'507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','{"body":"locked out of my account"}','a127428066381f0f368447a5a70f77fb2e35472e7ddaac801c330d7a9815306d','{"label":["account"]}','customer-2',NULL,0.0);
INSERT INTO "predictions" VALUES('p3',1700000003.0,'507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','{"body":""}','3095dcb4952a3d540340df71a610b005dd36e90d3bc33bc6a9bda230a78343cc','{"label":["refund"]}','customer-3',NULL,0.0);
CREATE TABLE releases (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	model VARCHAR(64) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	share FLOAT NOT NULL, 
	because TEXT NOT NULL, 
	forced BOOLEAN NOT NULL, 
	"by" VARCHAR(200) NOT NULL, 
	at FLOAT NOT NULL, 
	"before" INTEGER, 
	CONSTRAINT ck_releases_share CHECK (share >= 0 AND share <= 1), 
	CONSTRAINT fk_releases_before FOREIGN KEY("before") REFERENCES releases (id)
);
INSERT INTO "releases" VALUES(1,'507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6','champion',1.0,'first model of this project; it beats guessing ''account'': accuracy 1.000 against 0.333, gain +0.667, 95% interval +0.383 to +0.899, on 18 frozen examples',0,'volano',1.79533615110172033307e+09,NULL);
CREATE TABLE reviews (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	what VARCHAR(16) NOT NULL, 
	ref VARCHAR(64) NOT NULL, 
	fields JSON NOT NULL, 
	target JSON, 
	why VARCHAR(32) NOT NULL, 
	probability FLOAT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	label JSON, 
	"by" VARCHAR(200), 
	at FLOAT NOT NULL, 
	answered_at FLOAT, 
	CONSTRAINT ck_reviews_probability CHECK (probability > 0 AND probability <= 1)
);
CREATE TABLE stages (
	id INTEGER NOT NULL, 
	turn INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	output JSON NOT NULL, 
	seconds FLOAT NOT NULL, 
	peak_bytes INTEGER NOT NULL, 
	skipped BOOLEAN NOT NULL, 
	at FLOAT NOT NULL, 
	CONSTRAINT pk_stages PRIMARY KEY (id), 
	CONSTRAINT fk_stages_turn FOREIGN KEY(turn) REFERENCES turns (number)
);
INSERT INTO "stages" VALUES(1,1,'collect','109f819c5b503c43259857b880979084a58f22817eb6910c0c8a27512aea08d9','{"dataset":"8af0d2153b583cdab2505608248fe33e05582eada9d4f40679e19756f0329535","facts":{"changes":{"new":60,"edited":0,"deleted":0,"kept":0},"feedback":{"replaced":0,"added":0,"example-gone":0},"suppressed":0}}',5.27236560010351240634e-02,129695744,0,1.79533614869766306875e+09);
INSERT INTO "stages" VALUES(2,1,'prepare','89faf12ca142fd9c4f852ad7f3350429ad688ce36b2bb6744d6c09c6286b85e6','{"dataset":"64794bdca63b388bcb129e534e4b97b52be2bc57a7756b715ffeab02b5305a5f","facts":{"changes":{"new":60,"edited":0,"deleted":0,"kept":0},"feedback":{"replaced":0,"added":0,"example-gone":0},"suppressed":0}}',2.27174543000728590413e-01,152719360,0,1.79533614893472647671e+09);
INSERT INTO "stages" VALUES(3,1,'train.linear','e00f35ee42f42db3d93edb4d45b6588d5cd38476f856d006b32681d585b4260c','{"model":"862599dfa930cad0d8201ae2eeba5703907111459c18d12a19ca4c6fcbb0caef"}',1.98272682600145344622e+00,230125568,0,1.79533615092552781104e+09);
INSERT INTO "stages" VALUES(4,1,'train.choose','de678f5d563214dddcb77951e2d0cefc6f2bbf0ee3cd8bdfe17301d08a8bcff4','{"candidate":"862599dfa930cad0d8201ae2eeba5703907111459c18d12a19ca4c6fcbb0caef","baseline":"862599dfa930cad0d8201ae2eeba5703907111459c18d12a19ca4c6fcbb0caef","figures":{"linear":0.9761904761904762},"gains":{},"why":"train.learner is linear"}',9.04137001271010376513e-04,230125568,0,1.79533615094452071196e+09);
INSERT INTO "stages" VALUES(5,1,'export.linear','699787b8b87adb2998db9e5312209c90b281049e43db448bc9562d6b6b1edae1','{"model":"507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6"}',3.89365740011271554976e-02,230125568,0,1.79533615099026012422e+09);
INSERT INTO "stages" VALUES(6,1,'evaluate.507b333db61b','3154779203f45ade35f1edfa2c63c7c6a5e0cf5a62ea215f5504a51af993b5a4','{"report":"7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3"}',5.69298869995691347867e-02,230879232,0,1.79533615105629563331e+09);
INSERT INTO "stages" VALUES(7,1,'judge','bd2f179436ce4cac15eb3a0bbcc935ab41d0dbcc278d589da06c55528a253f11','{"decision":"PROMOTE","because":["first model of this project; it beats guessing ''account'': accuracy 1.000 against 0.333, gain +0.667, 95% interval +0.383 to +0.899, on 18 frozen examples"],"candidate":"507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6","champion":"","metric":"accuracy","effect":{"value":0.6666666666666667,"low":0.3828245357501126,"high":0.8988064017221895},"labels_needed":null,"checks":{"accuracy":{"candidate":1.0,"champion":0.3333333333333333},"level":0.95,"standard_error":0.11719130107593921,"num_examples":18,"num_units":16,"luck":0.00048828125,"reuse":{"verdicts":1,"budget":20,"tail":0.025000000000000022,"luck":0.025000000000000022},"guess":{"labels":["account"],"accuracy":0.3333333333333333},"limits":{"parity_gap":{"found":5.816939089298145e-07,"limit":0.005,"is_kept":true},"parity_agreement":{"found":1.0,"limit":0.999,"is_kept":true}},"learner":{"name":"linear","is_baseline":true},"reasons":[{"text":"first model of this project; it beats guessing {label}: {metric} {candidate} against {champion}, gain {gain}, {level} interval {low} to {high}, on {num} frozen examples","values":{"metric":"accuracy","candidate":"1.000","champion":"0.333","gain":"+0.667","low":"+0.383","high":"+0.899","level":"95%","num":"18","margin":"0.01","power":"80%","label":"''account''"}}],"report":"7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3"}}',2.93766699996922397986e-02,234483712,0,1.7953361510941102505e+09);
INSERT INTO "stages" VALUES(8,1,'promote','a9fd4263995242760f6584d2685f13109ca24e4905ffc471862b394fb3add183','{"model":"507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6"}',4.19570200028829276561e-03,234483712,0,1.79533615110437870022e+09);
CREATE TABLE subjects (
	subject VARCHAR(64) NOT NULL, 
	place VARCHAR(200) NOT NULL, 
	count INTEGER NOT NULL, 
	at FLOAT NOT NULL, 
	CONSTRAINT pk_subjects PRIMARY KEY (subject, place)
);
INSERT INTO "subjects" VALUES('55803e3d4436c23f1f7e5670e970332e5fe7c910034c46d601e39731b38621ab','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('132bfbedb1681a286706f2d4c1c8d48c51692976022f7a9bbb480f09352a7e60','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('371e0b6ba48a5ff47606ba6c5d3b7432abf8b058f094287e93a70ba33015d665','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('0dfab5acbae0000ecfc55bf78f6be90842878115c5802d14dd7312bebc9e627a','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('34a44366294a5bf0e0fe5fb5137ccb36063e93aafb0ac25437ced4ee9937fe0d','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('12754373b28abdbee8c79cc020264cdb3c756fc07e3d7a2d9aef6d8e8c53ff53','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('e18b75a07d89860b85c14e29a2d8227702e1aaba3875a812f7d77e071db649b7','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('ab2c8aca25fce78a71431b273cf5845abe356841450fa5294c66d6a3b4c4d902','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('acade632f70d10cfda201f257549581b9aa4ce6cc8336e5b4fe46b1e00cb8976','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('09947c6e5a088a23a3fb8cf96ea1ca7a3adf9a03a9c4893803d558bc12d0d5c5','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('908d72900e2475921b580e971e603ef224f1995cdf47e3022d12ee88ae3e6e8a','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('22b5894e02a73bb5dee8ae7db1fc6f2502052c6da5c20d77612682022bd4bdae','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('fa70213c8aaf9d8fdd6d9377a388260efb452ec9f6afadb591d7ca6782cb9a57','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('6645ca87da6316d5bb2b8e48f6d382c9ffff5a74966c81debc183dc6bb84130d','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('fafc221218d3b700c520f88d2d25775cd5135fa3964607b547671c197e990465','dataset:8af0d2153b58',2,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('c1f5e527f9d411dfe793aebe1021a0910fccbc69e55cb8ddaef79f5d535d60ec','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('e1d53e4f418bb7139ba12d5f81b61b318f8a4e52c52a514b1f2eaaca6c83f199','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('aa482ed186eee527c77d7a03619ff5b6b16cf5687caf66cfaebaef43e7bc38db','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('d7cbb6e7dea72fb5061dbc601be60ce7b9d2579f78d1ac97ef69e39c79c101b0','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('a539dc09c09c4538dcdbdbf86ab700df081b61771884675644679607ae1ccc62','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('c9c1dd0d52c99ca43beb6a5871fbf1eeffd1f2eed971cfcfa59b1b7704556c97','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('abb23d0d25cdc46d225e695a4210e9834e7d4dbddad190fc0a7e3671c3cff4ee','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('0ee73df9932df156b0c890d336ed47891fcf684ff2b262bd3b8e673e3f6336a2','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('e377a9bf7155f78dcc33de074234d84437f12f4a59f622dd6049f35f13a489b9','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('133d22d985245624bd63ba05f75cf9ca4ab5602bfc41b6dc11a8b49d215f97de','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('ae44923efec2b790c7e0df0c323baab635934205504f69c34bea3bb0128962c7','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('31c65e04980243a6ba57f10fc2a403e340f67abe662ef8808d6d78231517dd9e','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('2fbe87fe5a122515b67adfbb9f1fc11d888ca62c3e63946197befe39c86c4ac0','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('ebca3449f77b9351f0eebb8bfca59039dc612161622ea1b93c315ef92ca81167','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('efe2ca6af3304b09828b54d0d145f302ccfbfb9a6d397a3a6e23de6f50fd3ec5','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('0de00bed022821e665d07b7f4b8e75c0c4ab0db9f3eb8ee92112e2f981df4fd7','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('ba9d0f8031fab4b29018d4001d4420adc6137aef397abee58deeda9afc229d6f','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('fb44388faf2a4c02c6e64ada837ee39b2af11e805c12a9f25390281d3b65c87c','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('a39ed58c5b0b4a7664e3c675fd333e435a95aad2f17192933f854d7e1561843b','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('33a2264beeb8c852bdf55056b74fb071cefbe3e63de625fecb1f2a9c023477e6','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('937e831e2a5108f26d40072a47f7227b93dcada421add1e6dbd4ea30543ad804','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('60178813d7f7fe8bb8f769fd6845877b16400003cee301df2ef3fe71939f72c4','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('5a816f13397a16e66ed43db0e5176e60caf124dd45d2814432037572b31ea950','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('625808357ae1b11b8dee9eb28fa23e02c13da0ca53eb3ea19f1f985bce85f809','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('813ee86cf950ae21855ad32d5253bbb9dfdb10b6697ddbc6e8ab67e3aefc888e','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('d5d60392941814047f2c7e4cd47b72616278432e83d4c8db2bbadd28e2ac2357','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('6b4406af157af890cb411ff4948ae579e3f6a87676d5f75f43767d3bc125eac1','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('aa2a2112a55ec40004e210b09d08ddb41d251c9775879a91587e14f201ed03f5','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('52ba44b17691e6ff5ce648a9a5a7d78d2bfa871f62e8a33f3033b3bbaeb473d0','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
INSERT INTO "subjects" VALUES('ff9039536d724a746f393687e79199d56dc66371e8f7d6d171134e09cdba9f21','dataset:8af0d2153b58',1,1.79533615117282748224e+09);
CREATE TABLE suppressions (
	subject VARCHAR(64) NOT NULL, 
	reason TEXT NOT NULL, 
	"by" VARCHAR(200) NOT NULL, 
	at FLOAT NOT NULL, 
	CONSTRAINT pk_suppressions PRIMARY KEY (subject)
);
INSERT INTO "suppressions" VALUES('4ec8c502aca07d896686f646201495a30a55e623901e58709ebe1afb119a377d','asked to','ann',1.79533615139789414407e+09);
CREATE TABLE tombstones (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	subject VARCHAR(64) NOT NULL, 
	place VARCHAR(200) NOT NULL, 
	count INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	"by" VARCHAR(200) NOT NULL, 
	at FLOAT NOT NULL
);
CREATE TABLE turns (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	config_hash VARCHAR(64) NOT NULL, 
	config JSON NOT NULL, 
	seed INTEGER NOT NULL, 
	state VARCHAR(32) NOT NULL, 
	started_at FLOAT NOT NULL, 
	ended_at FLOAT, 
	result JSON
);
INSERT INTO "turns" VALUES(1,'8570e526a75387927b5ee13ad8ffdb85387e96d56b810a7f608fde234501f2c3','{"task":"text-classification","data":{"sources":[{"path":"rows.csv","licence":"CC0-1.0","mode":"replace","key":"id","split":"","header":true,"columns":[],"delimiter":"auto","quoting":"auto","encoding":"auto"}],"fields":{"text":"body","target":"topic","group":"tier","subject":"customer","time":""}},"language":"en","seed":0,"effort":"quick","labels":{"separator":"","names":"","unknown":"","rename":{},"remove":[]},"prepare":{"near_duplicates":0.7,"conflicts":"majority","rare_labels":2,"split":{"test":0.3,"validation":0.1,"together":"auto","by_time":false}},"train":{"learner":"linear","folds":"auto","settings_tried":"auto","unknown_false_alarms":0.05,"suspects":100,"seed":"auto"},"export":{"precision":"auto","score_gap":0.005,"agreement":0.999},"evaluate":{"resamples":200,"slices":[],"slice_values":20,"worst_errors":20,"timed_requests":10},"gate":{"metric":"auto","margin":0.01,"level":0.95,"resamples":4000,"slices":"auto","slice_minimum":30,"slice_tolerance":0.0,"latency_ms":"off","size_mb":"off","parity_gap":0.005,"parity_agreement":0.999,"reuse_budget":20},"serve":{"host":"127.0.0.1","port":8000,"key_file":"","log_inputs":"full","retention_days":"forever","max_batch":256,"max_body_bytes":4000000,"threads":4,"poll_seconds":0.5,"stop_seconds":10},"feedback":{"corrections":true,"score_makes_label":"off","agreement":"unanimous","trusted":[],"min_people":1,"new_labels":"review","num_reviews":40,"max_batch":1000}}',0,'finished',1.79533614864079451561e+09,1.79533615136078858378e+09,'{"turn":1,"dataset":"64794bdca63b388bcb129e534e4b97b52be2bc57a7756b715ffeab02b5305a5f","model":"507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6","learner":"linear","verdict":{"decision":"PROMOTE","because":["first model of this project; it beats guessing ''account'': accuracy 1.000 against 0.333, gain +0.667, 95% interval +0.383 to +0.899, on 18 frozen examples"],"candidate":"507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6","champion":"","metric":"accuracy","effect":{"value":0.6666666666666667,"low":0.3828245357501126,"high":0.8988064017221895},"labels_needed":null,"checks":{"accuracy":{"candidate":1.0,"champion":0.3333333333333333},"level":0.95,"standard_error":0.11719130107593921,"num_examples":18,"num_units":16,"luck":0.00048828125,"reuse":{"verdicts":1,"budget":20,"tail":0.025000000000000022,"luck":0.025000000000000022},"guess":{"labels":["account"],"accuracy":0.3333333333333333},"limits":{"parity_gap":{"found":5.816939089298145e-07,"limit":0.005,"is_kept":true},"parity_agreement":{"found":1.0,"limit":0.999,"is_kept":true}},"learner":{"name":"linear","is_baseline":true},"reasons":[{"text":"first model of this project; it beats guessing {label}: {metric} {candidate} against {champion}, gain {gain}, {level} interval {low} to {high}, on {num} frozen examples","values":{"metric":"accuracy","candidate":"1.000","champion":"0.333","gain":"+0.667","low":"+0.383","high":"+0.899","level":"95%","num":"18","margin":"0.01","power":"80%","label":"''account''"}}],"report":"7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3"}},"metrics":{"accuracy":{"high":1.0,"low":1.0,"value":1.0},"calibration_error":{"high":0.04315466088100038,"low":0.0027690697053928633,"value":0.014565607151601453},"log_loss":{"high":0.04703036166407244,"low":0.0027796859791930574,"value":0.015606915896524754},"macro_f1":{"high":1.0,"low":1.0,"value":1.0},"macro_precision":{"high":1.0,"low":1.0,"value":1.0},"macro_recall":{"high":1.0,"low":1.0,"value":1.0},"micro_f1":{"high":1.0,"low":1.0,"value":1.0}},"baseline":{"learner":"linear","model":"507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6","metrics":{"accuracy":{"high":1.0,"low":1.0,"value":1.0},"calibration_error":{"high":0.04315466088100038,"low":0.0027690697053928633,"value":0.014565607151601453},"log_loss":{"high":0.04703036166407244,"low":0.0027796859791930574,"value":0.015606915896524754},"macro_f1":{"high":1.0,"low":1.0,"value":1.0},"macro_precision":{"high":1.0,"low":1.0,"value":1.0},"macro_recall":{"high":1.0,"low":1.0,"value":1.0},"micro_f1":{"high":1.0,"low":1.0,"value":1.0}},"guess":{"labels":["account"],"metrics":{"accuracy":0.3333333333333333,"calibration_error":9.868649107779169e-17,"log_loss":1.0986122886681098,"macro_f1":0.16666666666666666,"macro_precision":0.1111111111111111,"macro_recall":0.3333333333333333,"micro_f1":0.3333333333333333},"scores":{"account":0.3333333333333333,"delivery":0.3333333333333333,"refund":0.3333333333333333}}},"feedback":{"from_feedback":0,"from_review":0,"corrected":0,"added":0},"skipped":[],"seconds":{"collect":0.052723656001035124,"prepare":0.2271745430007286,"train":1.9836309630027245,"export":0.038936574001127155,"evaluate":0.056929886999569135,"judge":0.02937666999969224,"promote":0.004195702000288293},"reports":{"data":".volano/reports/turn-1/data.html","model":".volano/reports/turn-1/model.html"},"collected":"8af0d2153b583cdab2505608248fe33e05582eada9d4f40679e19756f0329535","report":"7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3","report_of":{"507b333db61b79072c49a3debae60c71a1e17995baa8f1b8907d96f880b079f6":"7076f42d68a66eb342a80e6af7b74b5e5c06f578a5efe5a9b6639500120047a3"},"keys":{"collect":"987ca8fa77187163ad36223ebdea1e11af17993ea4bdaec61b5c600fc1ff95fe","prepare":"9c5c7e16d3e02ef24080567dc2c4c447283e21611315e7d3188b7643edc468e8","judge":"bd2f179436ce4cac15eb3a0bbcc935ab41d0dbcc278d589da06c55528a253f11"},"grounds":{"collect":"","prepare":""},"facts":{"collect":{"changes":{"new":60,"edited":0,"deleted":0,"kept":0},"feedback":{"replaced":0,"added":0,"example-gone":0},"suppressed":0},"prepare":{"changes":{"new":60,"edited":0,"deleted":0,"kept":0},"feedback":{"replaced":0,"added":0,"example-gone":0},"suppressed":0}},"language":"en","labels":["account","delivery","refund"],"num_test":18,"choice":{"candidate":"862599dfa930cad0d8201ae2eeba5703907111459c18d12a19ca4c6fcbb0caef","baseline":"862599dfa930cad0d8201ae2eeba5703907111459c18d12a19ca4c6fcbb0caef","figures":{"linear":0.9761904761904762},"gains":{},"why":"train.learner is linear"}}');
CREATE INDEX ix_turns_config_hash ON turns (config_hash);
CREATE INDEX ix_stages_key ON stages ("key");
CREATE INDEX ix_stages_turn ON stages (turn);
CREATE INDEX ix_events_turn ON events (turn);
CREATE INDEX ix_artifacts_noun ON artifacts (noun);
CREATE INDEX ix_edges_child ON edges (child);
CREATE INDEX ix_metrics_model ON metrics (model);
CREATE INDEX ix_releases_role ON releases (role);
CREATE INDEX ix_predictions_at ON predictions (at);
CREATE INDEX ix_predictions_subject ON predictions (subject);
CREATE INDEX ix_feedback_at ON feedback (at);
CREATE INDEX ix_feedback_prediction ON feedback (prediction);
CREATE INDEX ix_reviews_state ON reviews (state);
CREATE UNIQUE INDEX uq_reviews_open ON reviews (what, ref) WHERE state = 'open';
CREATE INDEX ix_tombstones_subject ON tombstones (subject);
CREATE INDEX ix_audit_action ON audit (action);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('turns',1);
INSERT INTO "sqlite_sequence" VALUES('releases',1);
INSERT INTO "sqlite_sequence" VALUES('audit',1);
INSERT INTO "sqlite_sequence" VALUES('feedback',2);
COMMIT;
