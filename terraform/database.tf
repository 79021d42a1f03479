# PostgreSQL: yours, or RDS with a standby, TLS only, and a role for each kind of function.

locals {
  own_database = var.database == null

  database_access = {
    security_group_id = local.own_database ? aws_security_group.database[0].id : var.database.security_group_id
    port              = local.own_database ? 5432 : var.database.port
  }
  reads_from_replica = local.own_database ? var.database_size.read_replicas > 0 : var.database.url_secret_arns.read != null
}

resource "aws_security_group" "database" {
  #checkov:skip=CKV2_AWS_5:attached to the database below, which is only made where none is given
  count = local.own_database ? 1 : 0

  name        = "${var.name}-database"
  description = "PostgreSQL"
  vpc_id      = local.network.vpc_id

  tags = { Name = "${var.name}-database" }
}

resource "aws_db_subnet_group" "main" {
  count = local.own_database ? 1 : 0

  name       = var.name
  subnet_ids = local.network.private_subnet_ids
}

resource "aws_db_parameter_group" "main" {
  count = local.own_database ? 1 : 0

  name_prefix = "${var.name}-"
  family      = "postgres${split(".", var.database_size.engine_version)[0]}"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
  # With hundreds of partitions, compiling a plan takes longer than running it.
  parameter {
    name  = "jit"
    value = "0"
  }
  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }
  # Schema changes only: the statements of the flush would fill the logs.
  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "main" {
  #checkov:skip=CKV_AWS_161:the functions log in with passwords that Secrets Manager holds; they know no IAM tokens
  count = local.own_database ? 1 : 0

  identifier     = var.name
  engine         = "postgres"
  engine_version = var.database_size.engine_version
  instance_class = var.database_size.instance_class
  multi_az       = var.database_size.multi_az

  storage_type          = "gp3"
  allocated_storage     = var.database_size.storage_gib
  max_allocated_storage = var.database_size.storage_max_gib
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.main.arn

  db_name             = "tetcore"
  username            = "tetcore"
  password_wo         = local.password["owner"]
  password_wo_version = var.passwords_version

  db_subnet_group_name   = aws_db_subnet_group.main[0].name
  vpc_security_group_ids = [aws_security_group.database[0].id]
  parameter_group_name   = aws_db_parameter_group.main[0].name
  publicly_accessible    = false

  backup_retention_period   = var.database_size.backup_days
  copy_tags_to_snapshot     = true
  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = !var.deletion_protection
  final_snapshot_identifier = var.deletion_protection ? "${var.name}-last" : null

  auto_minor_version_upgrade      = true
  performance_insights_enabled    = true
  performance_insights_kms_key_id = aws_kms_key.main.arn
  monitoring_interval             = var.database_size.monitoring_interval
  monitoring_role_arn             = aws_iam_role.monitoring[0].arn
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
}

resource "aws_db_instance" "replica" {
  #checkov:skip=CKV_AWS_161:as for the database itself
  #checkov:skip=CKV_AWS_157:a replica that is gone is replaced; until then queries go to another, or fail over to the database
  #checkov:skip=CKV_AWS_293:a replica holds nothing that the database does not
  count = local.own_database ? var.database_size.read_replicas : 0

  identifier          = "${var.name}-read-${count.index + 1}"
  replicate_source_db = aws_db_instance.main[0].identifier
  instance_class      = var.database_size.instance_class
  storage_encrypted   = true
  kms_key_id          = aws_kms_key.main.arn

  vpc_security_group_ids = [aws_security_group.database[0].id]
  parameter_group_name   = aws_db_parameter_group.main[0].name
  publicly_accessible    = false
  copy_tags_to_snapshot  = true
  skip_final_snapshot    = true

  auto_minor_version_upgrade      = true
  performance_insights_enabled    = true
  performance_insights_kms_key_id = aws_kms_key.main.arn
  monitoring_interval             = var.database_size.monitoring_interval
  monitoring_role_arn             = aws_iam_role.monitoring[0].arn
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
}

data "aws_iam_policy_document" "monitoring_assume" {
  count = local.own_database ? 1 : 0

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["monitoring.rds.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "monitoring" {
  count = local.own_database ? 1 : 0

  name               = "${var.name}-database-monitoring"
  description        = "Lets RDS write the metrics of its operating system"
  assume_role_policy = data.aws_iam_policy_document.monitoring_assume[0].json
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  count = local.own_database ? 1 : 0

  role       = aws_iam_role.monitoring[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}
