variable "overrides" {
  description = "Changes to entries of functions.json, and entries of further functions."
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

variable "query_runtime" {
  description = "Runtime of the functions whose entries name none."
  type        = string
  default     = "fargate"
  nullable    = false
}
