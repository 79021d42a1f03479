# What the catalogue makes of functions.json and of the changes to it, and what it refuses.

run "an_entry_is_completed" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    query_runtime = "lambda"
  }

  assert {
    condition     = output.functions["query-nodes"].runtime == "lambda" && output.functions["query-nodes"].scaling.metric == "cpu"
    error_message = "An entry without a runtime must take that of the queries, and scale by CPU."
  }
  assert {
    condition     = output.functions["ws-ingest"].runtime == "fargate" && output.functions["ws-ingest"].database == null
    error_message = "ws-ingest must run on Fargate, without a database."
  }
}

run "a_change_leaves_the_rest" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { ws-ingest = { cpu = 4096, scaling = { max = 50 }, environment = { MAX_CONNECTIONS = "9" } } }
  }

  assert {
    condition = jsonencode([
      output.functions["ws-ingest"].cpu,
      output.functions["ws-ingest"].memory,
      output.functions["ws-ingest"].scaling.max,
      output.functions["ws-ingest"].scaling.min,
      output.functions["ws-ingest"].environment["MAX_CONNECTIONS"],
      output.functions["ws-ingest"].environment["SHUTDOWN_TIMEOUT_S"],
    ]) == jsonencode([4096, 2048, 50, 2, "9", "100"])
    error_message = "What is not changed must stay."
  }
}

run "a_function_of_ones_own" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { query-colours = { routes = ["/colours", "/colours/{name}", "/palette/{*path}"], database = "query" } }
  }

  assert {
    condition     = output.functions["query-colours"].runtime == "fargate" && output.functions["query-colours"].database == "query"
    error_message = "A function that functions.json does not have must be added."
  }
}

run "a_job_is_completed" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = {
      purge-job      = { jobs = { compact = { schedule = "rate(1 day)" }, rehearse = { command = ["--dry-run"], schedule = "rate(7 days)" } } }
      gather-colours = { runtime = "schedule", schedule = "rate(1 hour)", jobs = { mix = { command = ["mix"], schedule = "cron(0 3 * * ? *)" } } }
    }
  }

  assert {
    condition = jsonencode([for name in ["purge-job", "gather-colours", "query-nodes"] : output.functions[name].jobs]) == jsonencode([
      {
        compact  = { command = ["compact"], schedule = "rate(1 day)" }
        rehearse = { command = ["--dry-run"], schedule = "rate(7 days)" }
      },
      { mix = { command = ["mix"], schedule = "cron(0 3 * * ? *)" } },
      {},
    ])
    error_message = "A job must keep what is not changed, and new ones be added."
  }
}

run "an_unknown_runtime" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { query-nodes = { runtime = "ec2" } }
  }
  expect_failures = [output.functions]
}

run "a_route_given_twice" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { query-colours = { routes = ["/nodes"] } }
  }
  expect_failures = [output.functions]
}

run "a_route_given_twice_under_another_placeholder" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { one = { routes = ["/colours/{name}"] }, two = { routes = ["/colours/{number}"] } }
  }
  expect_failures = [output.functions]
}

run "a_route_that_is_none" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { query-colours = { routes = ["/colours/*"] } }
  }
  expect_failures = [output.functions]
}

run "a_route_that_nobody_serves" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { purge-job = { routes = ["/purge"] } }
  }
  expect_failures = [output.functions]
}

run "an_unknown_role" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { query-nodes = { database = "superuser" } }
  }
  expect_failures = [output.functions]
}

run "a_schedule_that_is_none" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { purge-job = { schedule = "hourly" } }
  }
  expect_failures = [output.functions]
}

run "a_job_without_a_schedule" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { purge-job = { jobs = { rehearse = { command = ["--dry-run"] } } } }
  }
  expect_failures = [output.functions]
}

run "a_job_that_functions_json_does_not_have" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { purge-job = { jobs = { compcat = { schedule = "rate(1 day)" } } } }
  }
  expect_failures = [output.functions]
}

run "websockets_on_lambda" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { ws-ingest = { runtime = "lambda" } }
  }
  expect_failures = [output.functions]
}

run "no_tasks_at_all" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { query-nodes = { scaling = { min = 0 } } }
  }
  expect_failures = [output.functions]
}

run "a_scaling_metric_that_nobody_publishes" {
  command = plan
  module {
    source = "./modules/catalogue"
  }
  variables {
    overrides = { query-nodes = { scaling = { metric = "http_answers_total" } } }
  }
  expect_failures = [output.functions]
}
