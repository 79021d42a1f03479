# What cannot work fails the plan, with a sentence that says what to do.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  image_prefix    = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/tetcore/"
  image_tag       = "1.0.0"
  certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  allowed_cidrs   = ["203.0.113.0/24"]
}

run "nobody_may_connect" {
  command = plan
  variables {
    allowed_cidrs = []
  }
  expect_failures = [var.allowed_cidrs]
}

run "an_address_is_no_network" {
  command = plan
  variables {
    allowed_cidrs = ["203.0.113.7"]
  }
  expect_failures = [var.allowed_cidrs]
}

run "everyone_may_connect_without_a_token" {
  command = plan
  variables {
    allowed_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.allowed_cidrs]
}

run "everyone_may_connect_over_ipv6_without_a_token" {
  command = plan
  variables {
    allowed_cidrs = ["::/0"]
  }
  expect_failures = [var.allowed_cidrs]
}

run "messages_are_kept_for_no_time" {
  command = plan
  variables {
    log_expiry_h = 0
  }
  expect_failures = [var.log_expiry_h]
}

run "logs_are_kept_for_no_time" {
  command = plan
  variables {
    log_retention_days = 0
  }
  expect_failures = [var.log_retention_days]
}

run "a_tag_that_moves" {
  command = plan
  variables {
    image_tag = "latest"
  }
  expect_failures = [var.image_tag]
}

run "a_prefix_without_its_slash" {
  command = plan
  variables {
    image_prefix = "registry.example/tetcore"
  }
  expect_failures = [var.image_prefix]
}

run "no_certificate" {
  command = plan
  variables {
    certificate_arn = ""
  }
  expect_failures = [var.certificate_arn]
}

run "a_secret_among_the_settings" {
  command = plan
  variables {
    settings = { INGEST_TOKENS = "hunter2" }
  }
  expect_failures = [var.settings]
}

run "a_setting_that_has_its_variable" {
  command = plan
  variables {
    settings = { LOG_EXPIRY_H = "24" }
  }
  expect_failures = [var.settings]
}

run "a_secret_instead_of_its_arn" {
  command = plan
  variables {
    secret_arns = { INGEST_TOKENS = "hunter2" }
  }
  expect_failures = [var.secret_arns]
}

run "a_secret_that_nobody_reads" {
  command = plan
  variables {
    secret_arns = { INGEST_TOKEN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:tokens-AbCdEf" }
  }
  expect_failures = [var.secret_arns]
}

run "an_unknown_runtime_of_queries" {
  command = plan
  variables {
    query_runtime = "ec2"
  }
  expect_failures = [var.query_runtime]
}

run "a_public_balancer_without_public_subnets" {
  command = plan
  variables {
    network = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-2"] }
  }
  expect_failures = [var.network]
}

run "a_single_zone" {
  command = plan
  variables {
    network  = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1"] }
    internal = true
  }
  expect_failures = [var.network]
}

run "a_database_without_backups" {
  command = plan
  variables {
    database_size = { backup_days = 0 }
  }
  expect_failures = [var.database_size]
}

run "a_redis_without_a_replica" {
  command = plan
  variables {
    redis_size = { replicas = 0 }
  }
  expect_failures = [var.redis_size]
}
