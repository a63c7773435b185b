import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect } from 'chai'
import { node, root, succeeds } from './support/processes.ts'

/**
 * A layer: its files, and what they may import beside each other. Paths are of a file, or begin those of a folder's
 * files.
 */
type Layer = readonly [files: readonly string[], mayImport: readonly string[]]

const base = ['lib/validate.ts', 'lib/format.ts']
const core = [
  'lib/pairs.ts',
  'lib/slices.ts',
  'lib/labels.ts',
  'lib/callable.ts',
  'lib/settings.ts',
  'lib/tensor/',
  'lib/native.ts',
  ...base,
]
/** What layers above the library's public face may import of it. */
const library = ['lib/index.ts', 'lib/duckdb.ts', 'lib/settings.ts', 'lib/tensor/dtypes.ts', ...base]
const losses = ['lib/files/chunk-losses.ts', 'lib/files/scan-losses.ts', 'lib/files/top-rows.ts']
const formats = ['lib/files/readers/', 'lib/files/writers/', 'lib/files/duckdb/']
const rules = [
  ...['lib/files/row-errors.ts', 'lib/files/totals.ts', 'lib/files/sources.ts', 'lib/files/table-formats.ts'],
  ...[
    'lib/files/column-names.ts',
    'lib/files/loss-batches.ts',
    'lib/files/arrow.ts',
    'lib/files/file-system.ts',
    'lib/files/copies.ts',
  ],
]
const options = [
  ...['lib/files/atomic-write.ts', 'lib/files/options.ts', 'lib/files/paths.ts', 'lib/files/peers.ts'],
  ...['lib/files/system.ts', 'lib/files/pair.ts', 'lib/files/remote.ts'],
]
const engine = [
  ...rules,
  ...options,
  'lib/files/errors.ts',
  'lib/files/secrets.ts',
  'lib/files/run-signal.ts',
  'lib/files/turns.ts',
  ...library,
]

/** TypeScript from top to bottom, as docs/architecture.md draws it. A file belongs to the first layer that lists it. */
const layers: readonly Layer[] = [
  [['lib/cli/'], ['lib/bullmq/', 'lib/report/', 'lib/plot/', 'lib/files/', ...library]],
  [['lib/bullmq/'], ['lib/files/', ...library]],
  [['lib/files.ts'], ['lib/report/', 'lib/plot/', 'lib/files/', ...library]],
  [['lib/report/'], ['lib/plot/', 'lib/files/', ...library]],
  [['lib/plot/'], ['lib/files/', ...library]],
  [
    ['lib/files/score.ts'],
    [
      ...losses,
      'lib/files/find-labels.ts',
      'lib/files/open.ts',
      'lib/files/chunk-totals.ts',
      'lib/files/output-formats.ts',
      ...formats,
      ...engine,
    ],
  ],
  [losses, ['lib/files/chunk-totals.ts', 'lib/files/output-formats.ts', ...formats, ...engine]],
  [
    ['lib/files/find-columns.ts', 'lib/files/find-labels.ts'],
    ['lib/files/open.ts', 'lib/files/readers/', 'lib/files/duckdb/', ...engine],
  ],
  [['lib/files/open.ts'], ['lib/files/readers/', 'lib/files/duckdb/', ...engine]],
  [['lib/files/chunk-totals.ts'], ['lib/files/readers/', ...engine]],
  [['lib/files/output-formats.ts'], ['lib/files/writers/', ...engine]],
  [['lib/files/merge.ts'], engine],
  [['lib/files/readers/'], engine],
  [['lib/files/writers/'], ['lib/files/duckdb/', ...engine]],
  [['lib/files/duckdb/'], engine],
  [rules, [...options, 'lib/files/errors.ts', 'lib/files/secrets.ts', ...library]],
  [['lib/files/turns.ts'], ['lib/slices.ts']],
  [['lib/files/run-signal.ts'], []],
  [options, ['lib/files/errors.ts', 'lib/files/similar.ts', 'lib/binaries.ts', 'lib/package-managers.ts', ...library]],
  [['lib/files/similar.ts'], []],
  [['lib/files/errors.ts'], ['lib/files/secrets.ts', ...library]],
  [['lib/files/secrets.ts'], []],
  [['lib/duckdb.ts'], ['lib/binaries.ts']],
  [
    ['lib/index.ts'],
    ['lib/hinge-embedding-loss.ts', 'lib/accumulator.ts', 'lib/distance.ts', 'lib/runtime.ts', ...core],
  ],
  [['lib/hinge-embedding-loss.ts'], ['lib/distance.ts', ...core]],
  [['lib/accumulator.ts'], ['lib/distance.ts', ...core]],
  [['lib/distance.ts'], core],
  [['lib/pairs.ts'], ['lib/slices.ts', 'lib/labels.ts', 'lib/settings.ts', 'lib/tensor/', 'lib/native.ts', ...base]],
  [['lib/slices.ts'], ['lib/labels.ts', 'lib/settings.ts', 'lib/tensor/', 'lib/native.ts', ...base]],
  [['lib/labels.ts'], ['lib/settings.ts', 'lib/tensor/', 'lib/native.ts', ...base]],
  [['lib/settings.ts'], ['lib/tensor/', 'lib/native.ts', ...base]],
  [['lib/tensor/'], ['lib/native.ts', ...base]],
  [['lib/runtime.ts'], ['lib/native.ts', ...base]],
  [['lib/callable.ts'], base],
  [['lib/native.ts'], ['lib/binaries.ts', 'lib/load-error.ts', ...base]],
  [['lib/binaries.ts'], ['lib/load-error.ts', 'lib/libc.ts']],
  [['lib/load-error.ts'], ['lib/package-managers.ts', 'lib/libc.ts', 'lib/format.ts']],
  [['lib/package-managers.ts'], []],
  [['lib/libc.ts'], []],
  [['lib/validate.ts'], []],
  [['lib/format.ts'], []],
]

/** The packages that TypeScript may load, and where. */
const packages: Readonly<Record<string, readonly string[]>> = {
  '@duckdb/node-api': ['lib/files/duckdb/', 'lib/files/writers/duckdb.ts'],
  'apache-arrow': [
    'lib/files/top-rows.ts',
    'lib/files/arrow.ts',
    'lib/files/readers/',
    'lib/files/writers/',
    'lib/files/loss-batches.ts',
  ],
  'lz4-napi': ['lib/files/readers/arrow/codecs.ts'],
  zstddec: ['lib/files/readers/arrow/codecs.ts'],
  yauzl: ['lib/files/readers/npz.ts'],
  vega: ['lib/plot/'],
  '@resvg/resvg-js': ['lib/plot/'],
  bullmq: ['lib/bullmq/'],
  ioredis: ['lib/bullmq/'],
  commander: ['lib/cli/'],
}

const nativeCore = [
  ...['native/hinge_embedding_loss.', 'native/reduce.', 'native/parallel.', 'native/kernels/', 'native/exact_sum.'],
  ...['native/small_sum.h', 'native/float_environment.h', 'native/dtypes.h', 'native/distance.'],
]

/** C++ from top to bottom. */
const nativeLayers: readonly Layer[] = [
  [['native/addon.cpp'], ['native/convert.', ...nativeCore]],
  [['native/node_api_windows.cpp'], []],
  [['native/duckdb/'], nativeCore],
  [['native/convert.'], ['native/hinge_embedding_loss.', 'native/dtypes.h']],
  [
    ['native/hinge_embedding_loss.'],
    [
      'native/distance.',
      'native/reduce.',
      'native/parallel.',
      'native/kernels/',
      'native/exact_sum.',
      'native/dtypes.h',
    ],
  ],
  [['native/distance.'], ['native/power.', 'native/parallel.', 'native/kernels/', 'native/small_sum.h']],
  [['native/power.'], ['native/small_sum.h']],
  [['native/reduce.'], ['native/kernels/', 'native/exact_sum.']],
  [['native/parallel.'], ['native/float_environment.h', 'native/system']],
  [['native/system'], []],
  [['native/kernels/'], []],
  [['native/exact_sum.'], ['native/small_sum.h']],
  [['native/small_sum.h'], []],
  [['native/float_environment.h'], []],
  [['native/dtypes.h'], []],
]

/** Returns a test of whether a file is one of these, or in one of these folders. */
const isIn = (paths: readonly string[]) => (file: string) => paths.some((path) => file.startsWith(path))

interface Import {
  readonly from: string
  /** as it is written */
  readonly name: string
}

function sourcesIn(folder: string, ends: RegExp): string[] {
  const entries = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  return entries.filter((entry) => ends.test(entry)).map((entry) => join(folder, entry))
}

/** Finds what TypeScript imports: by import and export, at run time, and in types. */
function findImports(from: string): Import[] {
  const text = readFileSync(join(root, from), 'utf8')
  const found = text.matchAll(/\b(?:from\s*|import\s*|(?:import|require)\s*\(\s*)(['"])([^'"\n]+)\1/g)
  return [...found].map(([, , name = '']) => ({ from, name }))
}

function findIncludes(from: string): Import[] {
  const text = readFileSync(join(root, from), 'utf8')
  return [...text.matchAll(/^\s*#\s*include\s*"([^"]+)"/gm)].map(([, name = '']) => ({ from, name }))
}

/** Finds what the compiler resolves. */
async function readCompilerImports(): Promise<Import[]> {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const trace = await succeeds(node([compiler, '--project', root, '--noEmit', '--traceResolution']))
  const found = trace.matchAll(/^=+ Resolving module '([^']+)' from '([^']+)'\. =+$/gm)
  const all = [...found].map(([, name = '', from = '']) => ({ from: relative(root, from), name }))
  return all.filter(({ from }) => from.startsWith('lib/'))
}

/** The files that a file of the project imports, by their paths. */
type Graph = ReadonlyMap<string, readonly string[]>

function graphOf(files: readonly string[], find: (file: string) => Import[], resolve: (each: Import) => string): Graph {
  return new Map(files.map((file) => [file, find(file).map(resolve)]))
}

const typescript = sourcesIn('lib', /\.c?ts$/)
const isSource = ({ name }: Import) => name.startsWith('.') && !name.endsWith('.json')
const native = sourcesIn('native', /\.(cpp|h|inl)$/)
const graphs = {
  TypeScript: graphOf(
    typescript,
    (file) => findImports(file).filter(isSource),
    ({ from, name }) => join(dirname(from), name),
  ),
  'C++': graphOf(native, findIncludes, ({ from, name }) => {
    const beside = join(dirname(from), name)
    return native.includes(beside) ? beside : join('native', name)
  }),
}

/** Describes each import that runs upward or sideways. */
function findWrongImports(graph: Graph, layers: readonly Layer[]): string[] {
  return [...graph].flatMap(([from, imports]) => {
    const [files, mayImport] = layers.find(([files]) => isIn(files)(from)) ?? [[], []]
    return imports.filter((to) => !isIn([...files, ...mayImport])(to)).map((to) => `${from} imports ${to}`)
  })
}

/** Finds the files of one circle of imports. */
function findCircle(graph: Graph): string[] {
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return []
    for (const next of graph.get(file) ?? []) {
      const circle = visit(next, [...path, file])
      if (circle.length > 0) return circle
    }
    done.add(file)
    return []
  }
  for (const file of graph.keys()) {
    const circle = visit(file, [])
    if (circle.length > 0) return circle
  }
  return []
}

/** Describes each layer that may import one above it in the table. */
function findUpwardRules(layers: readonly Layer[]): string[] {
  return layers.flatMap(([files, mayImport], index) => {
    const above = layers.slice(0, index).flatMap(([files]) => files)
    return mayImport.filter((path) => above.includes(path)).map((path) => `${files} may import ${path}`)
  })
}

describe('imports', function () {
  this.timeout(60_000)

  it('finds every import of TypeScript that the compiler resolves, and none whose name is computed', async () => {
    const format = ({ from, name }: Import) => `${from} imports ${name}`
    const found = typescript.flatMap(findImports)
    const resolved = await readCompilerImports()
    expect(found.map(format)).to.include.members(resolved.map(format))
    expect(resolved.map(format)).to.include.members(found.filter(isSource).map(format))
    const computed = typescript.filter((file) => /\bimport\s*\(\s*[^'"\s]/.test(readFileSync(join(root, file), 'utf8')))
    expect(computed).to.deep.equal([])
  })

  it('lets each package be loaded only in its place', () => {
    const found = typescript.flatMap(findImports).filter(({ name }) => !/^(\.|node:)/.test(name))
    const wrong = found.filter(({ from, name }) => {
      const [, places = []] =
        Object.entries(packages).find(([each]) => name === each || name.startsWith(`${each}/`)) ?? []
      return !isIn(places)(from)
    })
    expect(wrong).to.deep.equal([])
  })

  it('lets only native/addon.cpp know JavaScript', () => {
    const includesNode = (file: string) =>
      /^#include <(napi|node_api|js_native_api)/m.test(readFileSync(join(root, file), 'utf8'))
    expect(native.filter(includesNode)).to.deep.equal(['native/addon.cpp'])
  })

  for (const [language, table] of Object.entries({ TypeScript: layers, 'C++': nativeLayers })) {
    const graph = graphs[language as keyof typeof graphs]

    it(`lets ${language} import only downward, what its layer may import`, () => {
      expect(findUpwardRules(table)).to.deep.equal([])
      expect(findWrongImports(graph, table)).to.deep.equal([])
    })

    it(`finds each file of ${language} in a layer, and each import in a file`, () => {
      const isListed = (file: string) => graph.has(file) && table.some(([files]) => isIn(files)(file))
      expect([...graph].flat(2).filter((file) => !isListed(file))).to.deep.equal([])
    })

    it(`finds no circle in ${language}`, () => {
      expect(findCircle(graph)).to.deep.equal([])
    })
  }
})
