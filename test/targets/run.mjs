// Runs the tests of each target that this machine can run, with the prebuilds of that target.
// run.mjs [TARGET[/RUNTIME]…]; targets that are named must be able to run. npm run prebuild makes the prebuilds.
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Unavailable } from './downloads.mjs'
import { fetchModules } from './runtimes.mjs'
import { isPrebuilt, makeStage } from './stage.mjs'
import { runs } from './targets.mjs'

/** A suite that takes longer hangs, on an emulator too. */
const suiteMinutes = 60
const names = process.argv.slice(2)
const isNamed = ({ id }) => names.some((name) => id === name || id.startsWith(`${name}/`))
const chosen = names.length === 0 ? runs : runs.filter(isNamed)
const seconds = (since) => Math.round((performance.now() - since) / 1000)

/** What the processes of this one need; npm's variables and hooks of Node stay outside. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|HINGE_EMBEDDING_LOSS_)/i.test(name)),
)

/** Runs a command whose output goes to a file: some emulators know no other. Returns why it failed, if it did. */
function execute([command, ...args], { cwd, env, log }) {
  const output = openSync(log, 'w')
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env: { ...environment, ...env }, stdio: ['ignore', output, output] })
    const late = setTimeout(() => child.kill('SIGKILL'), suiteMinutes * 60_000)
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? code}`))
    child.once('close', () => clearTimeout(late))
  }).finally(() => closeSync(output))
}

/** Runs probe.mjs. Returns what is wrong with the answer, or undefined. */
async function probe(run, context) {
  const failure = await execute([...context.command, 'test/targets/probe.mjs'], context)
  const output = readFileSync(context.log, 'utf8')
  if (failure !== undefined) return `${failure}\n${output}`
  const { instructionSet, instructionSets, libraries } = JSON.parse(output.trim().split('\n').at(-1))
  const loaded = libraries.map((path) => path.split(/[/\\]/).slice(-3).join('/')).sort()
  const binaries = ['duckdb_extension', 'node'].map((end) => `prebuilds/${run.target}/hinge_embedding_loss.${end}`)
  const actual = { sets: instructionSets, first: instructionSet, loaded }
  const wanted = { sets: run.sets(), first: run.sets()[0], loaded: binaries }
  if (JSON.stringify(actual) === JSON.stringify(wanted)) return undefined
  return `the process has ${JSON.stringify(actual)}, not ${JSON.stringify(wanted)}`
}

/** Runs the tests of one file. Returns how many passed, failed and were skipped, and the texts of failures. */
async function test(path, context) {
  const report = `${context.log}.json`
  const mocha = ['node_modules/mocha/bin/mocha.js', '--no-config', '--exit']
  const reporter = ['--reporter', 'json', '--reporter-option', `output=${report}`]
  const hooks = ['--require', './test/targets/mocha-hooks.mjs']
  const failure = await execute([...context.command, ...mocha, ...hooks, ...reporter, path], context)
  try {
    const { stats, failures } = JSON.parse(readFileSync(report, 'utf8'))
    const texts = failures.map(({ fullTitle, err }) => `${fullTitle}: ${err.stack ?? err.message}`)
    if (failure !== undefined && texts.length === 0) texts.push(failure)
    return { passed: stats.passes, failed: texts.length, skipped: stats.pending, texts }
  } catch {
    return {
      passed: 0,
      failed: 1,
      skipped: 0,
      texts: [`${failure}\n${readFileSync(context.log, 'utf8').slice(-2000)}`],
    }
  }
}

/** Returns the names of all suites of the folder that `folder/*` stands for. */
function expand(name, stage) {
  if (basename(name) !== '*') return [name]
  const files = readdirSync(join(stage, 'test', dirname(name))).filter((file) => file.endsWith('.test.js'))
  return files.map((file) => join(dirname(name), basename(file, '.test.js'))).sort()
}

function prepare(run) {
  if (!isPrebuilt(run.target))
    throw new Unavailable(`prebuilds/${run.target} is missing: npm run prebuild -- ${run.target}`)
  const command = run.start()
  const env = {
    NODE_PATH: fetchModules(run.target),
    HINGE_EMBEDDING_LOSS_TEST_TARGET: JSON.stringify(run),
    ...(run.isEmulated && { HINGE_EMBEDDING_LOSS_TEST_NODE: command[0] }),
  }
  return { command, env }
}

/** Runs all that there is for a run of the table. Returns its line of the summary. */
async function runTarget(run, stage) {
  const began = performance.now()
  let prepared
  try {
    prepared = prepare(run)
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    console.log(`${run.id}  not run: ${error.message}`)
    return { id: run.id, missing: error.message }
  }
  const logs = join(stage, 'logs', run.id)
  mkdirSync(logs, { recursive: true })
  const context = (name) => ({ ...prepared, cwd: stage, log: join(logs, name.replaceAll('/', '-')) })
  const sums = { passed: 0, failed: 0, skipped: 0 }
  const add = (name, since, { texts, ...counts }) => {
    for (const key of Object.keys(sums)) sums[key] += counts[key]
    const { passed, failed, skipped } = counts
    console.log(`${run.id}  ${name}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds(since)} s`)
    for (const text of texts) console.log(text.replace(/^/gm, '    '))
  }
  const failure = await probe(run, context('probe'))
  const texts = failure === undefined ? [] : [failure]
  add('probe', began, { passed: 1 - texts.length, failed: texts.length, skipped: 0, texts })
  for (const suite of run.suites.flatMap((name) => expand(name, stage))) {
    const since = performance.now()
    add(suite, since, await test(`test/${suite}.test.js`, context(suite)))
  }
  return { id: run.id, ...sums, seconds: seconds(began) }
}

if (chosen.length === 0) {
  console.error(`no such target: ${names.join(' ')}; there are ${runs.map(({ id }) => id).join(', ')}`)
  process.exit(2)
}
const stage = makeStage()
const lines = []
try {
  for (const run of chosen) lines.push(await runTarget(run, stage))
} finally {
  rmSync(stage, { recursive: true })
}
console.log('\nrun, passed, failed, skipped, seconds')
for (const { id, missing, passed, failed, skipped, seconds } of lines) {
  console.log(
    missing === undefined ? `${id}, ${passed}, ${failed}, ${skipped}, ${seconds}` : `${id}, not run: ${missing}`,
  )
}
const mustRun = names.length > 0
if (lines.some(({ missing, failed }) => failed > 0 || (mustRun && missing !== undefined))) process.exitCode = 1
