import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { Consumer, readKit } from '../support/consumers.ts'
import { bun } from './managers.ts'

const entry = `
  import { hingeEmbeddingLoss } from 'hinge-embedding-loss'
  import { extensionPath } from 'hinge-embedding-loss/duckdb'
  console.log(hingeEmbeddingLoss(new Float32Array([0.25, 1.5, 0.5]), new Int8Array([1, -1, -1])), extensionPath.length > 0)`

type Format = 'esm' | 'cjs'

/** A program that bundles main.mjs to \`output\`. */
interface Bundler {
  readonly title: string
  readonly formats?: readonly Format[]
  readonly program: (bundle: { format: Format; output: string; isExternal: boolean }) => string
}

const external = '[/^hinge-embedding-loss/]'

const bundlers: readonly Bundler[] = [
  {
    title: 'esbuild',
    program: ({ format, output, isExternal }) => `
      import { build } from 'esbuild'
      const external = ${isExternal ? "['hinge-embedding-loss']" : '[]'}
      await build({
        entryPoints: ['main.mjs'], bundle: true, platform: 'node', format: '${format}', outfile: '${output}', external,
      })`,
  },
  {
    title: 'webpack',
    program: ({ format, output, isExternal }) => `
      import webpack from 'webpack'
      const isModule = ${format === 'esm'}
      const externals = ({ request }, callback) => {
        const isOurs = ${isExternal} && request.startsWith('hinge-embedding-loss')
        return isOurs ? callback(null, (isModule ? 'module ' : 'commonjs ') + request) : callback()
      }
      const config = {
        mode: 'production', target: 'node20', entry: './main.mjs', externals,
        experiments: { outputModule: isModule },
        output: {
          path: process.cwd(), filename: '${output}', module: isModule,
          library: { type: isModule ? 'module' : 'commonjs2' },
        },
      }
      webpack(config, (error, stats) => {
        if (error || stats.hasErrors()) throw error ?? new Error(stats.toString())
      })`,
  },
  {
    title: 'Rollup',
    program: ({ format, output, isExternal }) => `
      import commonjs from '@rollup/plugin-commonjs'
      import { nodeResolve } from '@rollup/plugin-node-resolve'
      import { rollup } from 'rollup'
      const external = ${isExternal ? external : '[/^node:/]'}
      const plugins = [nodeResolve({ exportConditions: ['node'] }), commonjs()]
      const bundle = await rollup({ input: 'main.mjs', plugins, external })
      await bundle.write({ file: '${output}', format: '${format}', inlineDynamicImports: true })`,
  },
  {
    title: 'Bun',
    program: ({ format, output, isExternal }) => {
      const args = ['build', 'main.mjs', '--target=node', `--format=${format}`, `--outfile=${output}`]
      if (isExternal) args.push('--external=hinge-embedding-loss', '--external=hinge-embedding-loss/*')
      const [bundler] = bun.programs.bun ?? []
      return `
        import { execFileSync } from 'node:child_process'
        execFileSync(${JSON.stringify(bundler)}, ${JSON.stringify(args)})`
    },
  },
  {
    title: 'Vite for servers',
    program: ({ format, output, isExternal }) => `
      import { build } from 'vite'
      await build({
        logLevel: 'error',
        ssr: { ${isExternal ? "external: ['hinge-embedding-loss']" : 'noExternal: true'} },
        build: {
          ssr: 'main.mjs', outDir: '.', emptyOutDir: false,
          rollupOptions: { output: { format: '${format}', entryFileNames: '${output}' } },
        },
      })`,
  },
]

describe('bundlers', function () {
  this.timeout(120_000)

  for (const { title, program } of bundlers) {
    for (const format of ['esm', 'cjs'] as const) {
      it(`${title} makes a bundle of ${format} that works if the package is external, and else says what to do`, async () => {
        const consumer = new Consumer({
          parent: readKit().tool('..', 'consumers'),
          files: { 'main.mjs': entry },
        }).install()
        const bundle = async (name: string, isExternal: boolean) => {
          const output = `${name}.${format === 'esm' ? 'mjs' : 'cjs'}`
          consumer.write({ [`build-${name}.mjs`]: program({ format, output, isExternal }) })
          await consumer.succeeds(['node', `build-${name}.mjs`])
          return output
        }
        await consumer.prints(['node', await bundle('outside', true)], '0.25 true\n')
        const inside = await bundle('inside', false)
        // A bundle goes to a machine without the package.
        renameSync(join(consumer.folder, 'node_modules'), join(consumer.folder, 'no_modules'))
        await consumer.fails(['node', inside], /in a bundle keep hinge-embedding-loss external/)
        consumer.remove()
      })
    }
  }

  it('@vercel/nft, by which Next.js and Vercel trace files, finds all that a program needs', async () => {
    const trace = `
      import { cpSync } from 'node:fs'
      import { nodeFileTrace } from '@vercel/nft'
      const { fileList } = await nodeFileTrace(['main.mjs'])
      for (const path of fileList) cpSync(path, 'traced/' + path)`
    const consumer = new Consumer({
      parent: readKit().tool('..', 'consumers'),
      files: { 'main.mjs': entry, 'trace.mjs': trace },
    }).install()
    await consumer.succeeds(['node', 'trace.mjs'])
    renameSync(join(consumer.folder, 'node_modules'), join(consumer.folder, 'no_modules'))
    await consumer.prints(['node', 'traced/main.mjs'], '0.25 true\n')
    consumer.remove()
  })
})
