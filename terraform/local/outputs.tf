output "base_url" {
  description = "URL of the balancer."
  value       = "http://127.0.0.1:${local.port["balancer"]}"
}

output "ws_url" {
  description = "What to point a node at."
  value       = "ws://127.0.0.1:${local.port["balancer"]}/"
}

output "urls" {
  description = "Each function that runs, past the balancer."
  value       = { for name in keys(local.running) : name => "http://127.0.0.1:${local.port[name]}" }
}

output "database_url" {
  description = "PostgreSQL, as the owner of the database."
  value       = local.database_url["owner"]
  sensitive   = true
}
