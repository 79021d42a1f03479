// Ends and starts single functions of what scripts/dev started, as scripts/dev would find them.

import { spawn } from "node:child_process";
import { openSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const run = join(process.env.DEV_DIR, "run");
const log = join(process.env.DEV_DIR, "log");

const words = (file) => readFileSync(file, "utf8").split("\0").filter(Boolean);

/** In the kernel's ticks, as `birth` of scripts/lib.sh reads it. */
function birth(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(") ") + 2).split(" ")[19];
}

function isThere(pid) {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Kills the function; what is returned starts it again where it was, with these settings besides. */
export async function kill(name) {
  const pid = Number(readFileSync(join(run, `${name}.pid`), "utf8"));
  const [program, ...options] = words(`/proc/${pid}/cmdline`);
  const env = Object.fromEntries(words(`/proc/${pid}/environ`).map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
  const cwd = readlinkSync(`/proc/${pid}/cwd`);
  process.kill(pid, "SIGKILL");
  while (isThere(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
  return (settings = {}) => {
    const file = openSync(join(log, `${name}.log`), "a");
    const child = spawn(resolve(cwd, program), options, { cwd, env: { ...env, ...settings }, detached: true, stdio: ["ignore", file, file] });
    child.unref();
    writeFileSync(join(run, `${name}.birth`), `${birth(child.pid)}\n`);
    writeFileSync(join(run, `${name}.pid`), `${child.pid}\n`);
  };
}
