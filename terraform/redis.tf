# Redis: yours, or ElastiCache for Valkey over TLS, with a replica in another zone, that refuses writes when it is full.

locals {
  own_redis = var.redis == null
  cluster   = var.redis_size.shards > 1

  redis_access = {
    security_group_id = local.own_redis ? aws_security_group.redis[0].id : var.redis.security_group_id
    port              = local.own_redis ? 6379 : var.redis.port
  }
}

resource "aws_security_group" "redis" {
  #checkov:skip=CKV2_AWS_5:attached to the replication group below, which is only made where no Redis is given
  count = local.own_redis ? 1 : 0

  name        = "${var.name}-redis"
  description = "Redis"
  vpc_id      = local.network.vpc_id

  tags = { Name = "${var.name}-redis" }
}

resource "aws_elasticache_subnet_group" "main" {
  count = local.own_redis ? 1 : 0

  name       = var.name
  subnet_ids = local.network.private_subnet_ids
}

resource "aws_elasticache_parameter_group" "main" {
  count = local.own_redis ? 1 : 0

  name   = var.name
  family = "valkey${split(".", var.redis_size.engine_version)[0]}"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
  parameter {
    name  = "cluster-enabled"
    value = local.cluster ? "yes" : "no"
  }
}

resource "aws_elasticache_replication_group" "main" {
  count = local.own_redis ? 1 : 0

  replication_group_id = var.name
  description          = "Messages on their way to PostgreSQL"
  engine               = "valkey"
  engine_version       = var.redis_size.engine_version
  node_type            = var.redis_size.node_type
  parameter_group_name = aws_elasticache_parameter_group.main[0].name
  port                 = 6379

  cluster_mode               = local.cluster ? "enabled" : "disabled"
  num_node_groups            = var.redis_size.shards
  replicas_per_node_group    = var.redis_size.replicas
  automatic_failover_enabled = true
  multi_az_enabled           = true

  subnet_group_name  = aws_elasticache_subnet_group.main[0].name
  security_group_ids = [aws_security_group.redis[0].id]

  transit_encryption_enabled = true
  at_rest_encryption_enabled = true
  kms_key_id                 = aws_kms_key.main.arn
  auth_token_wo              = local.password["redis"]
  auth_token_wo_version      = var.passwords_version
  auth_token_update_strategy = "SET"

  snapshot_retention_limit   = var.redis_size.snapshot_days
  auto_minor_version_upgrade = true
  apply_immediately          = true
}
