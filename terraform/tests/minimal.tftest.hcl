# What the least input makes: everything, sized for a start, with no way in but the balancer.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  image_prefix    = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/tetcore/"
  image_tag       = "1.0.0"
  certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  allowed_cidrs   = ["203.0.113.0/24", "2001:db8::/32"]
}

run "plan" {
  command = plan

  assert {
    condition     = length(aws_subnet.private) == 2 && length(aws_subnet.public) == 2 && length(aws_nat_gateway.main) == 2
    error_message = "Two zones were expected, with a way out each."
  }
  assert {
    condition = join(" ", [
      for rule in aws_vpc_security_group_ingress_rule.balancer : "${coalesce(rule.cidr_ipv4, rule.cidr_ipv6)}:${rule.from_port}-${rule.to_port}"
    ]) == "2001:db8::/32:443-443 203.0.113.0/24:443-443"
    error_message = "Exactly the allowed networks may connect, by TLS."
  }
  assert {
    condition     = aws_lb_listener.https.protocol == "HTTPS" && aws_lb.main.idle_timeout == 120 && aws_lb.main.enable_deletion_protection
    error_message = "The balancer must speak TLS, let WebSockets live, and be protected."
  }
  assert {
    condition     = aws_db_instance.main[0].storage_encrypted && aws_db_instance.main[0].multi_az && !aws_db_instance.main[0].publicly_accessible
    error_message = "The database must be encrypted, have a standby, and be private."
  }
  assert {
    condition     = anytrue([for p in aws_db_parameter_group.main[0].parameter : p.name == "rds.force_ssl" && p.value == "1"])
    error_message = "The database must refuse connections without TLS."
  }
  assert {
    condition     = aws_elasticache_replication_group.main[0].transit_encryption_enabled && aws_elasticache_replication_group.main[0].multi_az_enabled
    error_message = "Redis must speak TLS, and survive the loss of a zone."
  }
  assert {
    condition     = anytrue([for p in aws_elasticache_parameter_group.main[0].parameter : p.name == "maxmemory-policy" && p.value == "noeviction"])
    error_message = "Redis must refuse writes when it is full."
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.main)) == toset(["backlog", "dropped", "rejected", "server-errors", "balancer-errors"])
    error_message = "These alarms were expected."
  }
  assert {
    condition     = jsonencode([aws_cloudwatch_metric_alarm.purge.period, aws_cloudwatch_metric_alarm.compaction.period]) == jsonencode([3600, 86400])
    error_message = "An hour without a purge, and a day without a compaction, must raise an alarm."
  }
}

run "a_job_at_another_time" {
  command = plan
  variables {
    functions = { purge-job = { jobs = { compact = { schedule = "rate(1 day)" } } } }
  }

  assert {
    condition     = local.functions["purge-job"].jobs["compact"].schedule == "rate(1 day)"
    error_message = "The schedule of a job must be the one that `functions` sets."
  }
}

run "apply" {
  command = apply

  assert {
    condition     = local.settings.TRUSTED_PROXIES == "10.42.0.0/20,10.42.16.0/20"
    error_message = "X-Forwarded-For must be believed from the balancer's subnets, not ${local.settings.TRUSTED_PROXIES}."
  }
  assert {
    condition = jsonencode([
      for name in ["ws-ingest", "batch-flush", "query-nodes", "migrate", "purge-job"] : sort(keys(local.secrets[name]))
    ]) == jsonencode([["REDIS_URL"], ["DATABASE_URL", "REDIS_URL"], ["DATABASE_URL"], ["DATABASE_URL"], ["DATABASE_URL"]])
    error_message = "A function may read the secrets of its entry only."
  }
  assert {
    condition     = local.secrets["query-nodes"].DATABASE_URL == aws_secretsmanager_secret.url["query"].arn && local.secrets["purge-job"].DATABASE_URL == aws_secretsmanager_secret.url["owner"].arn
    error_message = "A function must log in as the role of its entry."
  }
  assert {
    condition     = jsonencode(keys(local.reaches["ws-ingest"])) == jsonencode(["Redis"])
    error_message = "ws-ingest must have no way to the database."
  }
  assert {
    condition     = jsonencode(output.routes["ws-ingest"]["/ /audit"].paths) == jsonencode(["/", "/audit", "/audit/"])
    error_message = "The routes of ws-ingest were expected, each with and without a trailing slash."
  }
  assert {
    condition     = output.routes["ws-ingest"]["/{token} /{token}/audit"].upgrade
    error_message = "Paths with a token must lead to ws-ingest for WebSockets only."
  }
  assert {
    condition     = startswith(output.migrate_command, "aws ecs run-task --cluster tetcore --launch-type FARGATE --task-definition tetcore-migrate ")
    error_message = "The command must start migrate, and is ${output.migrate_command}."
  }
}
