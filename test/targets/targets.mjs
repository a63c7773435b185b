// The runs of npm run test:targets: a target, a runtime that this machine can start for it, and the suites that hold there.
import { readFileSync } from 'node:fs'
import {
  fetchArm64MuslNode,
  fetchArm64Node,
  fetchBun,
  fetchDeno,
  fetchMuslNode,
  fetchNode,
  fetchNodeOn,
  fetchWindowsNode,
  startBesideAlpineRelease,
  startInAlpine,
  startInSandbox,
} from './runtimes.mjs'

/** What depends on the processor. */
const arithmetic = [
  ...['paddle-cases', 'hinge-embedding-loss', 'native/exact-sums', 'accumulator', 'gradients'],
  ...['distance', 'loss-of-pairs', 'paddle-distances'],
]
const core = [...arithmetic, 'errors', 'slices', 'tensor/tensor']
const duckdb = ['native/duckdb/functions']
const processes = ['lifetimes']
const commandLine = ['cli/commands', 'cli/manners']
const files = ['files/*', 'files/duckdb/*', 'files/readers/*']
const all = [...core, ...duckdb, ...processes, ...commandLine, ...files]

/** The instruction sets that the addon must find on this machine. */
function hostSets() {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' '))
  const needs = { avx512: ['avx512f', 'avx512dq', 'avx512bw', 'avx512vl'], avx2: ['avx2', 'fma'] }
  const found = Object.keys(needs).filter((set) => needs[set].every((flag) => flags.has(flag)))
  return [...found, 'baseline']
}

const linuxX64 = { target: 'linux-x64', sets: hostSets }
/** Tests that an emulator makes too long, or whose limits are those of a processor. */
const slow = [
  'these tests compare .* figures',
  'fromJSON refuses (each change|JSON with random edits)',
  'take turns',
  'outputs too large for the caches',
  'memory in use stays flat',
  'has a command of the package manager',
  '200,000 groups',
]
/** Tests that start a Python, which is there on Linux alone. */
const withPython = [
  '(those|totals) of Python',
  'that Python reads',
  'Python dictionary',
  'every float16',
  '--by and --keep find columns',
  'a column without values may have any type',
]
/**
 * Tests of buffers compressed by LZ4. Its package needs a library of Windows that Wine 8 lacks; beside glibc it loads the
 * binary for glibc, whatever Node runs.
 */
const withLz4 = [
  'totals and groups of the same Parquet: (plain|newer)',
  'cut off anywhere, or that has bytes after its end',
]
/** Once in some runs Node for musl did not end: it waits for a thread of V8, and that for a wake-up that it missed. */
const byExit = ['a process ends as usual']
const emulated = { isEmulated: true, skipped: slow }
/** Tests that compile a library for this machine: for its glibc, or only for its processor. */
const forGlibc = ['decimal comma', 'needs what the system lacks']
const forProcessor = [...forGlibc, 'that no probe has reached']
const arm64 = { ...emulated, sets: () => ['neon'], skipped: [...slow, ...forProcessor] }

/**
 * `start` returns the program and its first arguments. `isEmulated`: the program is a script that starts an emulator, and
 * tests start it instead of `process.execPath`. A run without suites checks which binaries load, and their figures.
 */
export const runs = [
  { ...linuxX64, name: 'node-20.19', start: () => [fetchNode('linux-x64', '20.19.0')], suites: all },
  { ...linuxX64, name: 'node-20', start: () => [fetchNode('linux-x64', '20.20.2')], suites: core },
  { ...linuxX64, name: 'node-22', start: () => [fetchNode('linux-x64', '22.23.3')], suites: [...core, ...duckdb] },
  { ...linuxX64, name: 'node-24', start: () => [fetchNode('linux-x64', '24.21.0')], suites: [...core, ...duckdb] },
  { ...linuxX64, name: 'node-26', start: () => [fetchNode('linux-x64', '26.12.1')], suites: all },
  { ...linuxX64, name: 'bun-1.4', start: () => [fetchBun('1.4.5')], suites: [] },
  { ...linuxX64, name: 'deno-2.9', start: () => [fetchDeno('2.9.6'), 'run', '--allow-all'], suites: [] },
  { ...linuxX64, name: 'alpine-release', start: () => startBesideAlpineRelease('20.19.0'), suites: [] },
  { ...linuxX64, name: 'sandbox', start: () => startInSandbox('20.19.0'), suites: duckdb },
  {
    ...linuxX64,
    ...emulated,
    name: 'core2duo',
    start: () => [fetchNodeOn('core2duo', '20.19.0')],
    sets: () => ['baseline'],
    suites: [...arithmetic, ...duckdb],
  },
  {
    ...linuxX64,
    ...emulated,
    name: 'haswell',
    start: () => [fetchNodeOn('Haswell', '20.19.0')],
    sets: () => ['avx2', 'baseline'],
    suites: arithmetic,
  },
  {
    target: 'linux-x64-musl',
    sets: hostSets,
    name: 'node-24',
    start: () => [fetchMuslNode('24.19.0')],
    skipped: [...withLz4, ...forGlibc, ...byExit],
    suites: all,
  },
  { target: 'linux-x64-musl', sets: hostSets, name: 'alpine', start: () => startInAlpine('24.19.0'), suites: [] },
  {
    ...arm64,
    target: 'linux-arm64',
    name: 'node-24',
    start: () => [fetchArm64Node('24.22.0')],
    suites: [...arithmetic, ...duckdb, 'tensor/tensor', 'slices', 'errors', ...processes, 'cli/commands'],
  },
  {
    ...arm64,
    target: 'linux-arm64-musl',
    name: 'node-24',
    start: () => [fetchArm64MuslNode('24.19.0')],
    suites: [...arithmetic, ...duckdb, 'errors'],
  },
  {
    target: 'win32-x64',
    sets: hostSets,
    name: 'node-22-wine',
    start: () => [fetchWindowsNode('22.12.0')],
    skipped: [...withPython, ...withLz4],
    suites: all,
  },
].map((run) => ({ skipped: [], isEmulated: false, ...run, id: `${run.target}/${run.name}` }))
