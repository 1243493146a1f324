"""Keys of the contract's configuration that this version accepts and does not act on (spec/platform §10).

An existing configuration file must start the product: these keys are let through, and one warning at the
start lists those that were set. A pattern ends in `.*` when the whole branch is meant. A key that is
implemented leaves this list and becomes a field of a settings Struct.
"""

NOT_YET = (
    "analytics.*",
    "auth.native.password_reset_token_duration",
    "auth.proxy_header.*",
    "background_services.leader_election.*",
    "background_services.notifications.*",
    "background_services.onwards_sync.enabled",
    "background_services.pool_metrics.*",
    "background_services.probe_scheduler.*",
    "background_services.sync_workers.*",
    "background_services.task_workers.*",
    "batches.files.batch_insert_size",
    "batches.files.download_buffer_size",
    "batches.files.upload_buffer_size",
    "batches.reservation_ttl_secs",
    "connections.*",
    "dashboard_url",
    "database.fusillade.*",
    "database.outlet.*",
    "database.persistent",
    "database.pool.max_lifetime_secs",
    "database.underway_pool.*",
    "email.*",
    "enable_analytics",
    "model_sources",
    "onboarding_url",
    "payment.*",
    "sample_files.*",
    "slow_statement_threshold_ms",
    "support_email",
)
