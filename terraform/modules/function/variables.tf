variable "deployment" {
  description = "Name of the deployment, with which all names begin."
  type        = string
}

variable "name" {
  description = "Name of the function: its folder, binary and image."
  type        = string
}

variable "definition" {
  description = "Its entry in the catalogue."
  type = object({
    runtime     = string
    routes      = list(string)
    upgrades    = list(string)
    schedule    = optional(string)
    metrics     = list(string)
    cpu         = number
    memory      = number
    environment = map(string)
    jobs = optional(map(object({
      command  = list(string)
      schedule = string
    })), {})
    scaling = object({
      min    = number
      max    = number
      metric = string
      target = number
    })
  })
}

variable "image" {
  description = "Image of the function, with its tag."
  type        = string
}

variable "architecture" {
  description = "Processor that images are built for, as Lambda names it."
  type        = string
}

variable "environment" {
  description = "Settings that are no secrets; those of the entry come before them."
  type        = map(string)
}

variable "secrets" {
  description = "ARNs of the secrets that the function reads, by the name of the setting."
  type        = map(string)
}

variable "kms_key_arns" {
  description = "Keys that those secrets are encrypted with."
  type        = list(string)
}

variable "log_key_arn" {
  description = "Key that logs and Lambda's settings are encrypted with."
  type        = string
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
}

variable "cluster" {
  description = "ECS cluster."
  type = object({
    arn  = string
    name = string
  })
}

variable "network" {
  description = "Where the function runs."
  type = object({
    vpc_id             = string
    private_subnet_ids = list(string)
  })
}

variable "balancer" {
  description = "Load balancer that the routes are added to."
  type = object({
    listener_arn      = string
    security_group_id = string
  })
}

variable "reaches" {
  description = "What the function connects to, with the security group and port of each; nothing else lets it in."
  type = map(object({
    security_group_id = string
    port              = number
  }))
}

variable "collector_image" {
  description = "Image of the collector beside functions that publish metrics."
  type        = string
}

variable "sidecar" {
  description = "A container that runs after the function has ended well, in the same task; only for runtime once."
  type = object({
    name    = string
    image   = string
    secrets = map(string)
  })
  default = null
}
