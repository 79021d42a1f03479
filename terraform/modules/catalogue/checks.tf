# Whoever breaks a rule of the catalogue, rule by rule; the output refuses them.

locals {
  of_unknown_runtime = [
    for name, function in local.functions : "${name} (${function.runtime})"
    if !contains(["fargate", "lambda", "schedule", "once"], function.runtime)
  ]
  of_unknown_role = [
    for name, function in local.functions : "${name} (${function.database})"
    if !contains(["owner", "flush", "query", "admin", "none"], coalesce(function.database, "none"))
  ]
  jobs = merge([
    for name, function in local.functions : merge(
      { (name) = { command = null, schedule = function.schedule } },
      { for job, definition in function.jobs : "${name} ${job}" => definition },
    ) if function.runtime == "schedule"
  ]...)
  without_schedule = [
    for name, job in local.jobs : name if !can(regex("^(rate|cron)\\(.+\\)$", job.schedule))
  ]
  without_command = [
    for name, job in local.jobs : name if try(length(job.command), 1) == 0
  ]
  unfit_for_lambda = [
    for name, function in local.functions : name
    if function.runtime == "lambda" && (length(function.routes) == 0 || length(function.upgrades) > 0 || function.redis)
  ]
  of_wrong_scale = [
    for name, function in local.functions : name
    if function.scaling.min < 1 || function.scaling.max < function.scaling.min
  ]
  of_unpublished_metric = [
    for name, function in local.functions : "${name} (${function.scaling.metric})"
    if !contains(concat(["cpu"], function.metrics), function.scaling.metric)
  ]
  of_needless_routes = [
    for name, function in local.functions : name
    if contains(["schedule", "once"], function.runtime) && length(concat(function.routes, function.upgrades)) > 0
  ]

  claims = flatten([
    for name, function in local.functions : [
      for route in concat(function.routes, function.upgrades) : { name = name, route = route }
    ]
  ])
  malformed = [
    for claim in local.claims : "${claim.route} of ${claim.name}"
    if !can(regex("^/$|^(/([A-Za-z0-9_.-]+|\\{[a-z_]+\\}))+$|^(/[A-Za-z0-9_.-]+)+/\\{\\*[a-z_]+\\}$", claim.route))
  ]
  # Placeholders differ in nothing but their names.
  claimants = { for claim in local.claims : replace(claim.route, "/\\{[^}]*\\}/", "{}") => claim.name... }
  contested = [
    for route, names in local.claimants : "${route} by ${join(" and ", names)}" if length(names) > 1
  ]
}
