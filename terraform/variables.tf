# What is deployed. Where it runs is in variables_network.tf, what it stores in is in variables_storage.tf.

variable "name" {
  description = "Name of the deployment, with which the names of all resources begin."
  type        = string
  default     = "tetcore"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "name: use 3 to 20 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "image_prefix" {
  description = "What the images' names begin with, such as `123456789012.dkr.ecr.eu-central-1.amazonaws.com/tetcore/`; the function's name and the tag follow."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9.:/_-]+[/_-]$", var.image_prefix))
    error_message = "image_prefix: give a registry and a path that end in / or -, since the function's name follows directly."
  }
}

variable "image_tag" {
  description = "Tag of the images: a version, so that a deployment can be told from the next."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag: give a tag that never moves, such as a version or a commit; `latest` would deploy nothing new."
  }
}

variable "architecture" {
  description = "Processor that the images are built for: `x86_64` or `arm64`."
  type        = string
  default     = "x86_64"
  nullable    = false

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture: set it to x86_64 or arm64."
  }
}

variable "query_runtime" {
  description = "Where query functions run: `fargate`, or `lambda` for a deployment that is asked rarely."
  type        = string
  default     = "fargate"
  nullable    = false

  validation {
    condition     = contains(["fargate", "lambda"], var.query_runtime)
    error_message = "query_runtime: set it to fargate or lambda."
  }
}

variable "functions" {
  description = "Changes to entries of functions.json by the function's name, and entries of further functions; what is not set stays."
  type = map(object({
    runtime     = optional(string)
    routes      = optional(list(string))
    upgrades    = optional(list(string))
    schedule    = optional(string)
    database    = optional(string)
    redis       = optional(bool)
    secrets     = optional(list(string))
    cpu         = optional(number)
    memory      = optional(number)
    environment = optional(map(string))
    jobs = optional(map(object({
      command  = optional(list(string))
      schedule = optional(string)
    })))
    scaling = optional(object({
      min    = optional(number)
      max    = optional(number)
      metric = optional(string)
      target = optional(number)
    }))
  }))
  default  = {}
  nullable = false
}

variable "settings" {
  description = "Settings of all functions, by the names of the README's table; secrets belong into `secret_arns`."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = length(setintersection(keys(var.settings), [
      "API_TOKENS", "DATABASE_READ_URL", "DATABASE_URL", "INGEST_TOKENS", "REDIS_URL",
    ])) == 0
    error_message = "settings: tokens and URLs are secrets. Keep them in Secrets Manager, and give their ARNs in `secret_arns`, `database` or `redis`."
  }
  validation {
    condition     = length(setintersection(keys(var.settings), ["BIND", "LOG_EXPIRY_H", "PORT", "QUEUE_SHARDS"])) == 0
    error_message = "settings: BIND and PORT are the deployment's, LOG_EXPIRY_H is `log_expiry_h`, and QUEUE_SHARDS is `queue_shards`."
  }
}

variable "log_expiry_h" {
  description = "Hours after which messages expire (LOG_EXPIRY_H), audit ones excepted; 32 years by default."
  type        = number
  default     = 280320
  nullable    = false

  validation {
    condition     = var.log_expiry_h >= 1 && floor(var.log_expiry_h) == var.log_expiry_h
    error_message = "log_expiry_h: keep messages for a whole number of hours, at least 1; a retention of 0 would store nothing."
  }
}

variable "queue_shards" {
  description = "Lists that the queue is spread over (QUEUE_SHARDS). Drain the queue before you lower it."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.queue_shards >= 1 && var.queue_shards <= 1024 && floor(var.queue_shards) == var.queue_shards
    error_message = "queue_shards: use a whole number from 1 to 1024."
  }
}

variable "secret_arns" {
  description = "ARNs of secrets in Secrets Manager by the setting they hold: INGEST_TOKENS, API_TOKENS, and those of functions of your own."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.secret_arns : can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:.+$", arn))])
    error_message = "secret_arns: give the ARN of a secret in Secrets Manager for each, never its value."
  }
  validation {
    condition = length(setsubtract(keys(var.secret_arns), concat(
      ["API_TOKENS", "INGEST_TOKENS"], flatten([for function in var.functions : coalesce(function.secrets, [])]),
    ))) == 0
    error_message = "secret_arns: no function reads one of these. Use INGEST_TOKENS or API_TOKENS, or name it among the `secrets` of an entry in `functions`."
  }
}

variable "secret_kms_key_arns" {
  description = "ARNs of the keys that secrets of your own are encrypted with, where it is not AWS' default key."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "collector_image" {
  description = "Image of the AWS Distro for OpenTelemetry, which carries metrics to CloudWatch."
  type        = string
  default     = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps logs."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition = contains([
      1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
    ], var.log_retention_days)
    error_message = "log_retention_days: CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days; 0 would keep them for ever."
  }
}

variable "alarm_topic_arns" {
  description = "ARNs of SNS topics that are told of alarms; none: alarms only show in CloudWatch."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "alarm_thresholds" {
  description = "Where alarms begin: seconds of backlog, rejected messages and server errors in 5 minutes, days of partitions ahead, minutes without a purge, hours without a compaction."
  type = object({
    backlog_s                = optional(number, 60)
    rejected_messages        = optional(number, 1000)
    server_errors            = optional(number, 10)
    partition_days_ahead     = optional(number, 3)
    minutes_without_purge    = optional(number, 60)
    hours_without_compaction = optional(number, 24)
  })
  default  = {}
  nullable = false
}

variable "deletion_protection" {
  description = "Whether database and balancer refuse to be destroyed, and the database leaves a last snapshot."
  type        = bool
  default     = true
  nullable    = false
}
