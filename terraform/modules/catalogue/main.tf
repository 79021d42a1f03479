# What functions there are: functions.json, completed with defaults and changed by `overrides`. No provider is needed, so
# that a deployment on one machine reads the same catalogue as one in the cloud.

terraform {
  required_version = ">= 1.11"
}

locals {
  listed = jsondecode(file("${path.module}/../../functions.json"))
  names  = setunion(keys(local.listed), keys(var.overrides))

  # Whoever has a function's name in both takes from the override what is set there, and the rest from the list.
  functions = {
    for name in local.names : name => {
      runtime     = try(coalesce(var.overrides[name].runtime), local.listed[name].runtime, var.query_runtime)
      routes      = try(coalescelist(var.overrides[name].routes), local.listed[name].routes, [])
      upgrades    = try(coalescelist(var.overrides[name].upgrades), local.listed[name].upgrades, [])
      schedule    = try(coalesce(var.overrides[name].schedule), local.listed[name].schedule, null)
      unscheduled = try(local.listed[name].unscheduled, [])
      database    = try(coalesce(var.overrides[name].database), local.listed[name].database, null)
      redis       = try(coalesce(var.overrides[name].redis), local.listed[name].redis, false)
      secrets     = try(coalescelist(var.overrides[name].secrets), local.listed[name].secrets, [])
      metrics     = try(local.listed[name].metrics, [])
      cpu         = try(coalesce(var.overrides[name].cpu), local.listed[name].cpu, 256)
      memory      = try(coalesce(var.overrides[name].memory), local.listed[name].memory, 512)
      jobs = {
        for job in setunion(keys(try(local.listed[name].jobs, {})), keys(try(coalesce(var.overrides[name].jobs), {}))) : job => {
          command  = try(coalescelist(var.overrides[name].jobs[job].command), local.listed[name].jobs[job].command, [])
          schedule = try(coalesce(var.overrides[name].jobs[job].schedule), local.listed[name].jobs[job].schedule, null)
        }
      }
      scaling = {
        min    = try(coalesce(var.overrides[name].scaling.min), local.listed[name].scaling.min, 2)
        max    = try(coalesce(var.overrides[name].scaling.max), local.listed[name].scaling.max, 6)
        metric = try(coalesce(var.overrides[name].scaling.metric), local.listed[name].scaling.metric, "cpu")
        target = try(coalesce(var.overrides[name].scaling.target), local.listed[name].scaling.target, 60)
      }
      environment = merge(
        try(local.listed[name].environment, {}),
        try(coalesce(var.overrides[name].environment), {}),
      )
    }
  }
}
