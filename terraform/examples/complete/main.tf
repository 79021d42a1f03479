# A network and a database that exist already, queries on Lambda from a replica, and nodes that bring a token from anywhere.

provider "aws" {
  region = "eu-central-1"

  default_tags {
    tags = { service = "telemetry" }
  }
}

module "tetcore" {
  source = "../.."

  name            = "telemetry"
  image_prefix    = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/tetcore/"
  image_tag       = "1.0.0"
  architecture    = "arm64"
  query_runtime   = "lambda"
  certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  allowed_cidrs   = ["0.0.0.0/0", "::/0"]

  network = {
    vpc_id             = "vpc-0123456789abcdef0"
    private_subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
    public_subnet_ids  = ["subnet-0123456789abcdef2", "subnet-0123456789abcdef3"]
  }
  access_logs_bucket = "example-access-logs"

  database = {
    security_group_id = "sg-0123456789abcdef0"
    url_secret_arns = {
      owner = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:telemetry/owner-AbCdEf"
      flush = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:telemetry/flush-AbCdEf"
      query = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:telemetry/query-AbCdEf"
      admin = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:telemetry/admin-AbCdEf"
      read  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:telemetry/read-AbCdEf"
    }
  }
  redis_size = { node_type = "cache.r7g.large", replicas = 2 }

  secret_arns = {
    INGEST_TOKENS = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:telemetry/ingest-tokens-AbCdEf"
    API_TOKENS    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:telemetry/api-tokens-AbCdEf"
  }
  secret_kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000"]

  log_expiry_h = 24 * 90
  settings     = { MAX_CONNECTIONS_PER_IP = "50", MAX_BYTES_PER_SECOND = "262_144" }
  functions = {
    ws-ingest       = { cpu = 2048, memory = 4096, scaling = { min = 3, max = 40 } }
    query-node-logs = { runtime = "fargate", scaling = { max = 12 } }
    purge-job       = { schedule = "rate(5 minutes)" }
  }

  alarm_topic_arns = ["arn:aws:sns:eu-central-1:123456789012:on-call"]
  alarm_thresholds = { backlog_s = 30 }
}

output "host" {
  description = "Point your host name at it."
  value       = module.tetcore.host
}

output "migrate_command" {
  description = "Run it once now, and before every upgrade."
  value       = module.tetcore.migrate_command
}
