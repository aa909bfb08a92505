"""Every metric that is exported. docs/reference/metrics.md lists the same."""

from __future__ import annotations

from flowforge.metrics.exposition import Metric

#: The value of ``flow``, ``routine`` and the like for what is beyond the bound on their number.
OTHER = "other"

# --- jobs --------------------------------------------------------------------------------------
JOBS = Metric("flowforge_jobs", "gauge", "Jobs that are kept, by status.", ("flow", "status"))
JOBS_CREATED = Metric("flowforge_jobs_created_total", "counter", "Jobs created.", ("flow",))
JOBS_RETRIED = Metric(
    "flowforge_jobs_retried_total", "counter", "Failed jobs that were retried.", ("flow",)
)
JOBS_QUARANTINED = Metric(
    "flowforge_jobs_quarantined_total", "counter",
    "Jobs that failed because an invocation lost too many workers.", ("flow",),
)  # fmt: skip
JOBS_LATE = Metric(
    "flowforge_jobs_late_total", "counter",
    "Times named by on_late that came before the end of a job.", ("flow",),
)  # fmt: skip
DEADLINES_MISSED = Metric(
    "flowforge_deadlines_missed_total", "counter",
    "Jobs that failed as they had not started, or not ended, in time.", ("flow",),
)  # fmt: skip
CALLS_WITHOUT_A_JOB = Metric(
    "flowforge_calls_without_a_job_total", "counter",
    "Calls that created no job: one that waited took them, or one of their single key went on.",
    ("flow", "how"),
)  # fmt: skip
TIMEOUTS = Metric(
    "flowforge_timeouts_total", "counter",
    "Attempts that were ended because their time was over.", ("flow",),
)  # fmt: skip
SCHEDULE_STARTS = Metric(
    "flowforge_schedule_starts_total", "counter", "Jobs that schedules have started.", ("flow",)
)
SCHEDULE_SKIPS = Metric(
    "flowforge_schedule_skips_total", "counter",
    "Times of schedules that have started no job, by why.", ("flow", "reason"),
)  # fmt: skip
SCHEDULE_DELAY = Metric(
    "flowforge_schedule_delay_seconds", "histogram",
    "Time by which jobs of schedules were created behind their time and its jitter.", ("flow",),
)  # fmt: skip
JOBS_ENDED = Metric(
    "flowforge_jobs_ended_total", "counter", "Ends of jobs, by the status in which they ended.",
    ("flow", "status"),
)  # fmt: skip
JOB_DURATION = Metric(
    "flowforge_job_duration_seconds", "histogram", "Time from the creation of a job to its end.",
    ("flow", "status"),
)  # fmt: skip

# --- attempts ----------------------------------------------------------------------------------
ATTEMPTS = Metric(
    "flowforge_attempts_total", "counter",
    "Attempts at invocations, by outcome; lost ones are recoveries.",
    ("flow", "routine", "outcome"),
)  # fmt: skip
ATTEMPT_DURATION = Metric(
    "flowforge_attempt_duration_seconds", "histogram", "Time in the handler.", ("flow", "routine")
)
WAIT = Metric(
    "flowforge_wait_seconds", "histogram",
    "Time that invocations waited for an attempt: in a queue, or after one that is made again.",
    ("flow", "routine", "cause"),
)  # fmt: skip
DELIVERIES = Metric(
    "flowforge_deliveries_total", "counter", "Deliveries that a connection has carried.",
    ("flow", "connection"),
)  # fmt: skip
CONNECTION_WAIT = Metric(
    "flowforge_connection_wait_seconds", "histogram",
    "Time that what a connection carried waited in a queue, if no other leads to its slot.",
    ("flow", "connection"),
)  # fmt: skip

# --- work that waits ---------------------------------------------------------------------------
QUEUE_MESSAGES = Metric(
    "flowforge_queue_messages", "gauge", "Messages on a broker list.", ("queue", "priority")
)
QUEUE_UNCLAIMED = Metric(
    "flowforge_queue_unclaimed", "gauge",
    "Invocations whose message is on a broker list or was fetched by a worker that has not begun.",
    ("queue", "priority"),
)  # fmt: skip
QUEUE_OLDEST = Metric(
    "flowforge_queue_oldest_unclaimed_seconds", "gauge",
    "Time since the push of the oldest of them; 0 without any.", ("queue", "priority"),
)  # fmt: skip
QUEUE_PAUSED = Metric(
    "flowforge_queue_paused", "gauge", "1 for a queue that is paused.", ("queue",)
)
QUEUE_ASIDE = Metric(
    "flowforge_queue_paused_invocations", "gauge",
    "Invocations that wait for the resume of a queue.", ("queue",),
)  # fmt: skip
FAIR_KEYS = Metric(
    "flowforge_fair_keys", "gauge", "Fair keys that take turns on a queue.", ("queue", "priority")
)
FAIR_WAITING = Metric(
    "flowforge_fair_waiting_invocations", "gauge",
    "Invocations that wait for the turns of fair keys, of the 1,000 keys whose turns come first.",
    ("queue", "priority"),
)  # fmt: skip
FAIR_ENTERED = Metric(
    "flowforge_fair_messages", "gauge",
    "Messages with fair keys on a broker list, and fetched by workers that have not begun.",
    ("queue", "priority"),
)  # fmt: skip
OUTSTANDING = Metric(
    "flowforge_outstanding_invocations", "gauge",
    "Uncommitted invocations by where they are, of the 500 newest jobs of each status.", ("state",),
)  # fmt: skip
PARKED = Metric(
    "flowforge_parked_invocations", "gauge",
    "Parked invocations by what they wait for, of the 500 newest jobs of each status.", ("cause",),
)  # fmt: skip

# --- the upkeep --------------------------------------------------------------------------------
LEADER = Metric("flowforge_leader", "gauge", "1 while a worker does the upkeep, else 0.")
LEASES = Metric("flowforge_leases", "gauge", "Attempts that run.")
LEASES_EXPIRED = Metric(
    "flowforge_leases_expired", "gauge", "Leases that have expired and are not taken back yet."
)
TIMERS = Metric("flowforge_timers", "gauge", "Timers that are set: retries, delays and timeouts.")
EXPECTED = Metric("flowforge_expected_answers", "gauge", "Answers from outside that jobs wait for.")
EXPECTED_OLDEST = Metric(
    "flowforge_expected_answer_oldest_seconds", "gauge",
    "For how long the oldest of these answers has been waited for; 0 for none.",
)  # fmt: skip
SCHEDULES = Metric("flowforge_schedules", "gauge", "Schedules that are kept.")
LIMIT_TAKEN = Metric(
    "flowforge_limit_places_taken", "gauge",
    "Places that attempts, jobs and messages have, of up to 1,000 keys of all limits.", ("limit",),
)  # fmt: skip
LIMIT_WAITING = Metric(
    "flowforge_limit_waiting_invocations", "gauge",
    "Invocations and jobs that wait for a place, of these keys.", ("limit",),
)  # fmt: skip
LIMIT_OLDEST = Metric(
    "flowforge_limit_oldest_waiting_seconds", "gauge",
    "For how long the first of these has waited; 0 for none.", ("limit",),
)  # fmt: skip
LIMITS_STARVING = Metric(
    "flowforge_limits_starving", "gauge",
    "Keys of limits whose first invocation has waited for longer than limit_starving.",
)  # fmt: skip
UPKEEP_LAG = Metric(
    "flowforge_upkeep_lag_seconds", "gauge",
    "How long the first timer, lease or schedule has been overdue; 0 when none is.", ("index",),
)  # fmt: skip
EXPIRED_JOBS = Metric(
    "flowforge_expired_jobs", "gauge", "Ended jobs whose retention is over and that are still kept."
)
DELETIONS = Metric("flowforge_deletions_waiting", "gauge", "Keys that wait for their deletion.")
DAMAGED = Metric("flowforge_damaged_members", "gauge", "Damaged members of indexes.")
DEAD_LETTERS = Metric("flowforge_dead_letters", "gauge", "Refused messages that are kept.")
DEAD_LETTERS_TOTAL = Metric("flowforge_dead_letters_total", "counter", "Refused messages.")
WORKERS = Metric("flowforge_workers", "gauge", "Workers that report.", ("version",))
SLOTS = Metric(
    "flowforge_worker_slots", "gauge", "Handlers that the workers which report run at once."
)

# --- the server --------------------------------------------------------------------------------
UP = Metric("flowforge_server_up", "gauge", "1 when the server answers, else 0.")
LATENCY = Metric(
    "flowforge_server_latency_seconds", "gauge", "Time of a PING from the exporter to the server."
)
MEMORY = Metric("flowforge_server_memory_bytes", "gauge", "Memory that the server uses.")
MEMORY_LIMIT = Metric("flowforge_server_memory_limit_bytes", "gauge", "maxmemory; 0: no limit.")
READ_ERRORS = Metric(
    "flowforge_scrape_errors", "gauge", "1 for a part of this page that could not be read.",
    ("part",),
)  # fmt: skip
SCRAPE_DURATION = Metric(
    "flowforge_scrape_duration_seconds", "gauge", "Time that this page took to be read."
)

#: What ``flowforge metrics`` exports; each has the label ``server`` in front.
FLEET = (
    JOBS, JOBS_CREATED, JOBS_RETRIED, JOBS_QUARANTINED, JOBS_LATE, DEADLINES_MISSED,
    CALLS_WITHOUT_A_JOB,
    TIMEOUTS, SCHEDULE_STARTS, SCHEDULE_SKIPS, SCHEDULE_DELAY,
    JOBS_ENDED, JOB_DURATION, ATTEMPTS, ATTEMPT_DURATION, WAIT, DELIVERIES,
    CONNECTION_WAIT,
    QUEUE_MESSAGES, QUEUE_UNCLAIMED, QUEUE_OLDEST, QUEUE_PAUSED, QUEUE_ASIDE,
    FAIR_KEYS, FAIR_WAITING, FAIR_ENTERED, OUTSTANDING, PARKED,
    LEADER, LEASES, LEASES_EXPIRED, TIMERS, EXPECTED, EXPECTED_OLDEST, SCHEDULES, UPKEEP_LAG,
    LIMIT_TAKEN, LIMIT_WAITING, LIMIT_OLDEST, LIMITS_STARVING,
    EXPIRED_JOBS, DELETIONS, DAMAGED,
    DEAD_LETTERS, DEAD_LETTERS_TOTAL, WORKERS, SLOTS, UP, LATENCY, MEMORY, MEMORY_LIMIT,
    READ_ERRORS, SCRAPE_DURATION,
)  # fmt: skip

# --- one worker --------------------------------------------------------------------------------
WORKER_INFO = Metric(
    "flowforge_worker_info", "gauge", "1, with what the worker is.", ("version", "pool")
)
WORKER_CONCURRENCY = Metric(
    "flowforge_worker_concurrency", "gauge", "Handlers that the worker runs at once."
)
WORKER_ACTIVE = Metric(
    "flowforge_worker_active_tasks", "gauge", "Tasks that the worker's pool works on."
)
WORKER_FETCHED = Metric(
    "flowforge_worker_fetched_tasks", "gauge", "Tasks that the worker has fetched, active or not."
)
WORKER_ATTEMPTS = Metric(
    "flowforge_worker_attempts_total", "counter", "Attempts that the worker made, by outcome.",
    ("server", "flow", "routine", "outcome"),
)  # fmt: skip
WORKER_HANDLER_SECONDS = Metric(
    "flowforge_worker_handler_seconds_total", "counter", "Time in the worker's handlers.",
    ("server", "flow", "routine"),
)  # fmt: skip
WORKER_LEADER = Metric(
    "flowforge_worker_leader", "gauge", "1 while the worker does the server's upkeep, else 0.",
    ("server",),
)  # fmt: skip
WORKER_UPKEEP = Metric(
    "flowforge_worker_upkeep_age_seconds", "gauge",
    "Time since the worker last looked after the server's upkeep; it does so all the time.",
    ("server",),
)  # fmt: skip
WORKER_SERVER_UP = Metric(
    "flowforge_worker_server_up", "gauge", "1 when the server answers the worker, else 0.",
    ("server",),
)  # fmt: skip

#: What a worker exports; each has the label ``worker`` in front.
WORKER = (
    WORKER_INFO, WORKER_CONCURRENCY, WORKER_ACTIVE, WORKER_FETCHED, WORKER_ATTEMPTS,
    WORKER_HANDLER_SECONDS, WORKER_LEADER, WORKER_UPKEEP, WORKER_SERVER_UP,
)  # fmt: skip
