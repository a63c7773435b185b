// Makes a copy of the repository with library and tests compiled to JavaScript, so that a target needs no compiler and no tsx.
// It has no build from source: the loader must choose among the prebuilds of all targets.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cache } from './downloads.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const prebuilds = join(root, 'prebuilds')

/** Tests start programs with `--import tsx`. Here it finds the compiled file of a source. */
const tsx = `
import { register } from 'node:module'
const hook = \`
  export function resolve(specifier, context, next) {
    return next(/^(\\\\.|file:).*\\\\.ts$/.test(specifier) ? specifier.replace(/ts$/, 'js') : specifier, context)
  }\`
register('data:text/javascript,' + encodeURIComponent(hook))
`

/**
 * DuckDB's package asks detect-libc which binary to load. That reads the first 2,048 bytes of Node, and patchelf has moved
 * the path of musl's loader behind them.
 */
const detectLibc = `
exports.MUSL = 'musl'
exports.familySync = () => (process.report.getReport().header.glibcVersionRuntime ? 'glibc' : exports.MUSL)
`

/** Packages of the copy: some of its own, and the others as in the repository. */
function installPackages(modules) {
  const own = { tsx: { main: tsx, type: 'module' }, 'detect-libc': { main: detectLibc, type: 'commonjs' } }
  for (const [name, { main, type }] of Object.entries(own)) {
    mkdirSync(join(modules, name), { recursive: true })
    writeFileSync(join(modules, name, 'package.json'), JSON.stringify({ name, type, exports: './index.js' }))
    writeFileSync(join(modules, name, 'index.js'), main)
  }
  // Where a package looks for others depends on its real path.
  for (const name of ['@duckdb/node-api', '@duckdb/node-bindings']) {
    cpSync(join(root, 'node_modules', name), join(modules, name), { recursive: true })
  }
  const bindings = '@duckdb/node-bindings-linux-x64'
  symlinkSync(join(root, 'node_modules', bindings), join(modules, bindings))
  for (const name of readdirSync(join(root, 'node_modules'))) {
    const link = join(modules, name)
    if (!name.startsWith('.') && !existsSync(link)) symlinkSync(join(root, 'node_modules', name), link)
  }
}

function compile(project, folder) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const options = ['--noEmit', 'false', '--declaration', 'false', '--outDir', folder]
  execFileSync(process.execPath, [compiler, '--project', project, ...options], { cwd: root, stdio: 'inherit' })
}

export const isPrebuilt = (target) => existsSync(join(prebuilds, target))

export function makeStage() {
  mkdirSync(cache, { recursive: true })
  const stage = mkdtempSync(join(cache, 'stage-'))
  compile('test', stage)
  compile('.', join(stage, 'dist'))
  cpSync(join(root, 'test'), join(stage, 'test'), { recursive: true, filter: (path) => !path.endsWith('.ts') })
  for (const name of ['package.json', 'README.md', 'docs', 'examples']) {
    cpSync(join(root, name), join(stage, name), { recursive: true })
  }
  cpSync(prebuilds, join(stage, 'prebuilds'), { recursive: true })
  installPackages(join(stage, 'node_modules'))
  return stage
}
