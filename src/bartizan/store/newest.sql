CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE meta (
	"key" TEXT NOT NULL, 
	value BLOB, 
	PRIMARY KEY ("key")
);
CREATE TABLE person (
	pseudonym TEXT NOT NULL, 
	wrapped_name BLOB, 
	name_digest BLOB, 
	created_us INTEGER NOT NULL, 
	forgotten_us INTEGER, 
	PRIMARY KEY (pseudonym), 
	UNIQUE (name_digest)
);
CREATE TABLE person_key (
	pseudonym TEXT NOT NULL, 
	period TEXT NOT NULL, 
	wrapped BLOB NOT NULL, 
	PRIMARY KEY (pseudonym, period)
);
CREATE TABLE api_key (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	hash BLOB NOT NULL, 
	person TEXT NOT NULL, 
	groups TEXT NOT NULL, 
	app TEXT NOT NULL, 
	created_us INTEGER NOT NULL, 
	revoked_us INTEGER, 
	PRIMARY KEY (id), 
	UNIQUE (hash)
);
CREATE TABLE grant_ (
	person TEXT NOT NULL, 
	clause TEXT NOT NULL, 
	clause_digest TEXT NOT NULL, 
	destination TEXT NOT NULL, 
	value TEXT NOT NULL, 
	until_us INTEGER NOT NULL, 
	case_id TEXT
);
CREATE INDEX grant_person ON grant_ (person);
CREATE TABLE case_ (
	id TEXT NOT NULL, 
	state TEXT NOT NULL, 
	action TEXT NOT NULL, 
	person TEXT NOT NULL, 
	clauses TEXT NOT NULL, 
	clause_digests TEXT NOT NULL, 
	destination TEXT NOT NULL, 
	"values" TEXT NOT NULL, 
	risks TEXT NOT NULL, 
	tell TEXT NOT NULL, 
	token_hash BLOB, 
	exchange TEXT NOT NULL, 
	writer TEXT NOT NULL, 
	created_us INTEGER NOT NULL, 
	expires_us INTEGER NOT NULL, 
	decided_us INTEGER, 
	decided_by TEXT, 
	sealed_subject BLOB, 
	sealed_reason BLOB, 
	sealed_note BLOB, 
	PRIMARY KEY (id), 
	UNIQUE (token_hash)
);
CREATE INDEX case_person ON case_ (person);
CREATE INDEX case_state ON case_ (state, created_us);
CREATE TABLE writer (
	name TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	public_key BLOB NOT NULL, 
	opened_us INTEGER NOT NULL, 
	closed_us INTEGER, 
	next_name TEXT, 
	PRIMARY KEY (name)
);
CREATE TABLE account (
	person TEXT NOT NULL, 
	roles TEXT NOT NULL, 
	password TEXT, 
	created_us INTEGER NOT NULL, 
	disabled_us INTEGER, 
	PRIMARY KEY (person)
);
CREATE TABLE credential (
	id TEXT NOT NULL, 
	hash BLOB NOT NULL, 
	kind TEXT NOT NULL, 
	person TEXT NOT NULL, 
	name TEXT NOT NULL, 
	created_us INTEGER NOT NULL, 
	seen_us INTEGER NOT NULL, 
	until_us INTEGER NOT NULL, 
	ended_us INTEGER, 
	PRIMARY KEY (id), 
	UNIQUE (hash)
);
CREATE INDEX credential_person ON credential (person);
CREATE TABLE approval (
	case_id TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	at_us INTEGER NOT NULL, 
	PRIMARY KEY (case_id, "by")
);
CREATE TABLE feedback (
	id TEXT NOT NULL, 
	exchange TEXT NOT NULL, 
	verdict TEXT NOT NULL, 
	clause TEXT NOT NULL, 
	person TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	at_us INTEGER NOT NULL, 
	example TEXT NOT NULL, 
	sealed_note BLOB, 
	sealed_example BLOB, 
	PRIMARY KEY (id)
);
CREATE INDEX feedback_exchange ON feedback (exchange);
CREATE INDEX feedback_time ON feedback (at_us);
CREATE TABLE assignment (
	subject TEXT NOT NULL, 
	assignee TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	at_us INTEGER NOT NULL, 
	PRIMARY KEY (subject)
);
CREATE TABLE alarm (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	process TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	first_us INTEGER NOT NULL, 
	last_us INTEGER NOT NULL, 
	times INTEGER NOT NULL, 
	seen_us INTEGER, 
	PRIMARY KEY (id)
);
CREATE INDEX alarm_last ON alarm (last_us);
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	channel TEXT NOT NULL, 
	ref TEXT NOT NULL, 
	body TEXT NOT NULL, 
	created_us INTEGER NOT NULL, 
	due_us INTEGER NOT NULL, 
	tries INTEGER NOT NULL, 
	sent_us INTEGER, 
	error TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE UNIQUE INDEX outbox_ref ON outbox (channel, ref);
CREATE INDEX outbox_due ON outbox (sent_us, due_us);
CREATE TABLE policy_version (
	id INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	name TEXT NOT NULL, 
	text TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	why TEXT NOT NULL, 
	at_us INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE system (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	vendor TEXT NOT NULL, 
	category TEXT NOT NULL, 
	status TEXT NOT NULL, 
	alternative TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	data_classes TEXT NOT NULL, 
	data_seen TEXT NOT NULL, 
	account TEXT NOT NULL, 
	risk_tier TEXT NOT NULL, 
	legal_basis TEXT NOT NULL, 
	oversight TEXT NOT NULL, 
	retention TEXT NOT NULL, 
	instructions TEXT NOT NULL, 
	review_day INTEGER, 
	first_us INTEGER NOT NULL, 
	last_us INTEGER NOT NULL, 
	created_us INTEGER NOT NULL, 
	changed_us INTEGER NOT NULL, 
	waits_us INTEGER, 
	decided_us INTEGER, 
	decided_by TEXT NOT NULL, 
	sealed_notes BLOB, 
	PRIMARY KEY (id)
);
CREATE INDEX system_waits ON system (waits_us);
CREATE TABLE usage_source (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	format TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	head_bytes INTEGER NOT NULL, 
	upto INTEGER NOT NULL, 
	first_us INTEGER NOT NULL, 
	last_us INTEGER NOT NULL, 
	read_us INTEGER NOT NULL, 
	reads INTEGER NOT NULL, 
	lines INTEGER NOT NULL, 
	junk INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX usage_source_kind ON usage_source (kind, format, origin);
CREATE TABLE usage_ (
	system TEXT NOT NULL, 
	person TEXT NOT NULL, 
	day INTEGER NOT NULL, 
	told_by TEXT NOT NULL, 
	source TEXT NOT NULL, 
	evidence INTEGER NOT NULL, 
	account TEXT NOT NULL, 
	count INTEGER NOT NULL, 
	bytes_up INTEGER NOT NULL, 
	hosts INTEGER NOT NULL, 
	first_us INTEGER NOT NULL, 
	last_us INTEGER NOT NULL, 
	PRIMARY KEY (system, person, day, told_by, source, evidence, account)
)
 WITHOUT ROWID

;
CREATE INDEX usage_day ON usage_ (day);
CREATE INDEX usage_person ON usage_ (person);
CREATE INDEX usage_source_rows ON usage_ (source);
CREATE TABLE use_exception (
	id TEXT NOT NULL, 
	system TEXT NOT NULL, 
	who_kind TEXT NOT NULL, 
	who TEXT NOT NULL, 
	state TEXT NOT NULL, 
	until_us INTEGER NOT NULL, 
	asked_by TEXT NOT NULL, 
	asked_us INTEGER NOT NULL, 
	decided_by TEXT NOT NULL, 
	decided_us INTEGER, 
	sealed_why BLOB, 
	sealed_note BLOB, 
	PRIMARY KEY (id)
);
CREATE INDEX use_exception_state ON use_exception (state, until_us);
CREATE TABLE name_request (
	id TEXT NOT NULL, 
	person TEXT NOT NULL, 
	asked_by TEXT NOT NULL, 
	asked_us INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	decided_by TEXT NOT NULL, 
	decided_us INTEGER, 
	until_us INTEGER NOT NULL, 
	sealed_reason BLOB, 
	PRIMARY KEY (id)
);
CREATE INDEX name_request_state ON name_request (state, until_us);
CREATE TABLE use_decision (
	id INTEGER NOT NULL, 
	system TEXT NOT NULL, 
	status TEXT NOT NULL, 
	alternative TEXT NOT NULL, 
	review_day INTEGER, 
	"by" TEXT NOT NULL, 
	at_us INTEGER NOT NULL, 
	sealed_why BLOB, 
	PRIMARY KEY (id)
);
CREATE INDEX use_decision_system ON use_decision (system, at_us);
CREATE TABLE pause (
	kind TEXT NOT NULL, 
	source TEXT NOT NULL, 
	person TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	at_us INTEGER NOT NULL, 
	until_us INTEGER NOT NULL, 
	sealed_why BLOB, 
	PRIMARY KEY (kind, source)
);
CREATE TABLE saved_view (
	id TEXT NOT NULL, 
	person TEXT NOT NULL, 
	name TEXT NOT NULL, 
	"query" TEXT NOT NULL, 
	saved_us INTEGER NOT NULL, 
	removed_us INTEGER, 
	PRIMARY KEY (id)
);
CREATE INDEX saved_view_person ON saved_view (person);
INSERT INTO alembic_version VALUES ('0003');
