-- The jobs that began, newest first: whoever leaves a job's page finds it again.
create index bulk_jobs_begun on bulk_jobs (started_at desc, bulk_id) where started_at is not null;
