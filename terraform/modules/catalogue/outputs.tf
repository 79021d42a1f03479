output "functions" {
  description = "Every function by its name, each with all attributes of an entry."
  value       = local.functions

  precondition {
    condition     = length(local.of_unknown_runtime) == 0
    error_message = "Unknown runtime of ${join(", ", local.of_unknown_runtime)}: set it to fargate, lambda, schedule or once."
  }
  precondition {
    condition     = length(local.contested) == 0
    error_message = "Routes given twice: ${join("; ", local.contested)}. Leave each to one function."
  }
  precondition {
    condition     = length(local.malformed) == 0
    error_message = "Not a route: ${join(", ", local.malformed)}. Write it as /nodes/logs, with {name} for one segment, or {*name} at the end for all that follow."
  }
  precondition {
    condition     = length(local.of_needless_routes) == 0
    error_message = "Only fargate and lambda can serve routes: take them from ${join(", ", local.of_needless_routes)}, or change the runtime."
  }
  precondition {
    condition     = length(local.of_unknown_role) == 0
    error_message = "Unknown database role of ${join(", ", local.of_unknown_role)}: set it to owner, flush, query or admin, or leave it out where no database is needed."
  }
  precondition {
    condition     = length(local.without_schedule) == 0
    error_message = "No schedule for ${join(", ", local.without_schedule)}: set it like rate(10 minutes) or cron(0 3 * * ? *)."
  }
  precondition {
    condition     = length(local.without_command) == 0
    error_message = "No command for ${join(", ", local.without_command)}: a job needs arguments of its own. Is its name one of functions.json?"
  }
  precondition {
    condition     = length(local.unfit_for_lambda) == 0
    error_message = "Lambda only answers HTTP requests, without WebSockets and Redis: set the runtime of ${join(", ", local.unfit_for_lambda)} to fargate."
  }
  precondition {
    condition     = length(local.of_wrong_scale) == 0
    error_message = "Scaling of ${join(", ", local.of_wrong_scale)}: set min to at least 1, and max to at least min."
  }
  precondition {
    condition     = length(local.of_unpublished_metric) == 0
    error_message = "Nothing publishes the scaling metric of ${join(", ", local.of_unpublished_metric)}: use cpu, or name it among the metrics of its entry in functions.json."
  }
}
