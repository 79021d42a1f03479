# The same catalogue of functions on one Linux machine, on loopback: `terraform apply` starts everything, `terraform
# destroy` ends it and leaves nothing. No provider is needed but the one that terraform brings.

terraform {
  required_version = ">= 1.11"
}

module "catalogue" {
  source = "../modules/catalogue"

  overrides = var.functions
}

locals {
  root     = abspath("${path.module}/../..")
  process  = "${abspath(path.module)}/process"
  programs = var.programs != null ? abspath(var.programs) : "${local.root}/target/release"

  names = sort(keys(module.catalogue.functions))
  # Whatever the cloud runs only now and then runs on and on here, or once.
  running = { for name, function in module.catalogue.functions : name => function if function.runtime != "once" }
  port    = { for index, name in concat(["balancer", "postgres", "redis"], local.names) : name => var.first_port + index }

  servers = merge(
    nonsensitive(var.database_url == null) ? { postgres = "${local.root}/scripts/postgres" } : {},
    nonsensitive(var.redis_url == null) ? { redis = "${local.root}/scripts/redis" } : {},
  )
  redis_url = coalesce(var.redis_url, "redis://127.0.0.1:${local.port["redis"]}")
  # Each as the role of its entry; the owner is called tetcore.
  database_url = {
    for role in ["owner", "flush", "query", "admin"] : role => coalesce(
      var.database_url, "postgres://tetcore${role == "owner" ? "" : "_${role}"}@127.0.0.1:${local.port["postgres"]}/tetcore"
    )
  }
  environment = {
    for name, function in module.catalogue.functions : name => merge(
      { BIND = "127.0.0.1", PORT = tostring(local.port[name]), TRUSTED_PROXIES = "127.0.0.1/32" },
      # A Fargate task has two minutes to end; nobody waits as long here.
      { for setting, value in function.environment : setting => value if setting != "SHUTDOWN_TIMEOUT_S" },
      function.database == null ? {} : { DATABASE_URL = local.database_url[function.database] },
      function.redis ? { REDIS_URL = local.redis_url } : {},
    )
  }
}

# Whatever was started is ended with the folder at the latest, also after an apply that failed half-way.
resource "terraform_data" "folder" {
  triggers_replace = { process = local.process, state = var.state }

  provisioner "local-exec" {
    command     = "mkdir -- \"$STATE\" \"$STATE/log\" \"$STATE/run\""
    environment = { STATE = self.triggers_replace.state }
  }
  provisioner "local-exec" {
    when        = destroy
    command     = "\"$PROCESS\" end \"$STATE\" && rm -rf -- \"$STATE\""
    environment = { PROCESS = self.triggers_replace.process, STATE = self.triggers_replace.state }
  }
}

resource "terraform_data" "server" {
  for_each = local.servers

  triggers_replace = {
    process = local.process
    state   = terraform_data.folder.triggers_replace.state
    program = each.value
    port    = local.port[each.key]
  }

  provisioner "local-exec" {
    command = "\"$PROCESS\" start \"$STATE\" ${each.key} \"$PROGRAM\" \"$STATE/${each.key}\" ${self.triggers_replace.port}"
    environment = {
      PROCESS = self.triggers_replace.process
      STATE   = self.triggers_replace.state
      PROGRAM = self.triggers_replace.program
    }
  }
  provisioner "local-exec" {
    when        = destroy
    command     = "\"$PROCESS\" stop \"$STATE\" ${each.key}"
    environment = { PROCESS = self.triggers_replace.process, STATE = self.triggers_replace.state }
  }
}

resource "terraform_data" "migrate" {
  triggers_replace = {
    program     = "${local.programs}/migrate"
    environment = local.environment["migrate"]
    servers     = { for name, server in terraform_data.server : name => server.id }
  }

  provisioner "local-exec" {
    # A server that has just started takes a moment until it answers.
    command     = "for attempt in $(seq 100); do \"$PROGRAM\" && exit; sleep 0.2; done; exit 1"
    environment = merge(self.triggers_replace.environment, { PROGRAM = self.triggers_replace.program })
  }

  lifecycle {
    precondition {
      condition     = alltrue([for name in local.names : fileexists("${local.programs}/${name}")])
      error_message = "${local.programs} lacks ${join(", ", [for name in local.names : name if !fileexists("${local.programs}/${name}")])}. Build all functions first, with cargo build --release --workspace --bins, or set `programs`."
    }
  }
}

resource "terraform_data" "function" {
  for_each = local.running

  triggers_replace = {
    process     = local.process
    state       = terraform_data.folder.triggers_replace.state
    program     = "${local.programs}/${each.key}"
    arguments   = join(" ", each.value.unscheduled)
    environment = local.environment[each.key]
    ready       = "http://127.0.0.1:${local.port[each.key]}/readyz"
  }

  provisioner "local-exec" {
    command = join(" && ", [
      "\"$PROCESS\" start \"$STATE\" ${each.key} \"$PROGRAM\" ${self.triggers_replace.arguments}",
      "\"$PROCESS\" await \"$STATE\" ${each.key} ${self.triggers_replace.ready}",
    ])
    environment = merge(self.triggers_replace.environment, {
      PROCESS = self.triggers_replace.process
      STATE   = self.triggers_replace.state
      PROGRAM = self.triggers_replace.program
    })
  }
  provisioner "local-exec" {
    when        = destroy
    command     = "\"$PROCESS\" stop \"$STATE\" ${each.key}"
    environment = { PROCESS = self.triggers_replace.process, STATE = self.triggers_replace.state }
  }

  depends_on = [terraform_data.migrate]
}

resource "terraform_data" "balancer" {
  triggers_replace = {
    process   = local.process
    state     = terraform_data.folder.triggers_replace.state
    generator = "${local.root}/scripts/balancer-config"
    address   = "127.0.0.1:${local.port["balancer"]}"
    servers   = join("\n", [for name in keys(local.running) : "${name} 127.0.0.1:${local.port[name]}"])
    routes    = { for name, function in local.running : name => concat(function.routes, function.upgrades) }
  }

  provisioner "local-exec" {
    command = join(" && ", [
      "echo \"$SERVERS\" | \"$GENERATOR\" $ADDRESS >\"$STATE/haproxy.cfg\"",
      "\"$PROCESS\" start \"$STATE\" haproxy haproxy -db -f \"$STATE/haproxy.cfg\"",
      "\"$PROCESS\" await \"$STATE\" haproxy http://$ADDRESS/nodes",
    ])
    environment = {
      PROCESS   = self.triggers_replace.process
      STATE     = self.triggers_replace.state
      GENERATOR = self.triggers_replace.generator
      ADDRESS   = self.triggers_replace.address
      SERVERS   = self.triggers_replace.servers
    }
  }
  provisioner "local-exec" {
    when        = destroy
    command     = "\"$PROCESS\" stop \"$STATE\" haproxy"
    environment = { PROCESS = self.triggers_replace.process, STATE = self.triggers_replace.state }
  }

  depends_on = [terraform_data.function]
}
