// Makes a copy of the repository with library and tests compiled to JavaScript, so that a target needs no compiler and no tsx.
// It has no build from source: the loader must choose among the prebuilds of all targets.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

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

function compile(project, folder) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const options = ['--noEmit', 'false', '--declaration', 'false', '--outDir', folder]
  execFileSync(process.execPath, [compiler, '--project', project, ...options], { cwd: root, stdio: 'inherit' })
}

export const isPrebuilt = (target) => existsSync(join(prebuilds, target))

export function makeStage() {
  const stage = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-stage-'))
  compile('test', stage)
  compile('.', join(stage, 'dist'))
  cpSync(join(root, 'test'), join(stage, 'test'), { recursive: true, filter: (path) => !path.endsWith('.ts') })
  for (const name of ['package.json', 'README.md', 'docs', 'examples']) {
    cpSync(join(root, name), join(stage, name), { recursive: true })
  }
  cpSync(prebuilds, join(stage, 'prebuilds'), { recursive: true })
  const modules = join(stage, 'node_modules')
  mkdirSync(join(modules, 'tsx'), { recursive: true })
  writeFileSync(join(modules, 'tsx/package.json'), '{ "name": "tsx", "type": "module", "exports": "./index.js" }')
  writeFileSync(join(modules, 'tsx/index.js'), tsx)
  for (const name of readdirSync(join(root, 'node_modules'))) {
    const link = join(modules, name)
    if (!name.startsWith('.') && !existsSync(link)) symlinkSync(join(root, 'node_modules', name), link)
  }
  return stage
}
