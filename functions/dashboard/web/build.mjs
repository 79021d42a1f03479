// Builds the pages into the folder that is named, ../assets unless one is: index.html, and beside it
// everything that it loads, named for its content.
import { build } from "esbuild";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";

const here = import.meta.dirname;
const folder = process.argv[2] ?? join(here, "../assets");

const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["src/app.tsx", "src/theme.ts", "src/style.css", "src/icon.svg"],
  entryNames: "[name]-[hash]",
  outdir: folder,
  write: true,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".svg": "copy" },
  legalComments: "none",
  metafile: true,
  plugins: [{ name: "empty-folder", setup: (own) => own.onStart(() => rm(folder, { recursive: true, force: true })) }],
});

const named = new Map(
  Object.entries(metafile.outputs).map(([path, output]) => [output.entryPoint ?? Object.keys(output.inputs)[0], basename(path)]),
);
const page = await readFile(join(here, "src/index.html"), "utf8");
const linked = page.replace(/\{\{(.+?)\}\}/g, (_, source) => `/dashboard/${named.get(source)}`);
if (linked.includes("undefined")) throw new Error(`src/index.html names what is not built: ${linked}`);
await mkdir(folder, { recursive: true });
await writeFile(join(folder, "index.html"), linked);
