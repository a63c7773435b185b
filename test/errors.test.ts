import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { inspect } from 'node:util'
import vm from 'node:vm'
import { expect } from 'chai'
import { addonPath, nameTarget } from '../lib/binaries.ts'
import {
  getNumThreads,
  HingeEmbeddingLoss,
  hingeEmbeddingLoss,
  type InvalidLabelError,
  LossAccumulator,
  setNumThreads,
  Tensor,
  type TensorLike,
  tensor,
} from '../lib/index.ts'
import { installPackage } from './support/application.ts'
import { isInstalled, node, run, succeeds } from './support/processes.ts'
import { isWindows, makesLinks } from './support/system.ts'

const x = Float32Array.of(1, -2, 3)
const y = Int8Array.of(-1, 1, -1)
const none = new HingeEmbeddingLoss({ reduction: 'none' })
const mean = new HingeEmbeddingLoss()

const codes = ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE', 'ERR_SHAPE_MISMATCH', 'ERR_INVALID_LABEL']

type Case = [title: string, call: () => unknown, message: RegExp]

function rejects(ErrorClass: typeof TypeError | typeof RangeError, code: string, cases: Case[]) {
  for (const [title, call, message] of cases) {
    it(`throws ${ErrorClass.name} ${code} for ${title}`, () => {
      expect(call).to.throw(ErrorClass, message).with.property('code', code)
      expect(call).to.throw(Error).with.property('message').with.length.below(400)
    })
  }
}

/** Expects a right result or an error from a call with any argument, and no crash. */
function survives(call: () => unknown, expected?: unknown) {
  let result: unknown
  try {
    result = call()
  } catch (error) {
    expect(error).to.be.an.instanceof(Error)
    return
  }
  if (expected !== undefined) expect(result).to.deep.equal(expected)
}

const ours = (call: () => unknown, message?: RegExp) =>
  expect(call).to.throw(Error, message).with.property('code').that.is.oneOf(codes)

const options = (value: unknown) => value as never

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

describe('errors', () => {
  describe('wrong kind of argument, wrong dtype: TypeError ERR_INVALID_ARG_TYPE', () => {
    const noTensors: [string, () => unknown][] = [
      ['null', () => null],
      ['undefined', () => undefined],
      ['a string', () => '1'],
      ['a long string', () => '1'.repeat(100_000)],
      ['a symbol', () => Symbol('x')],
      ['a bigint', () => 1n],
      ['a boolean', () => true],
      ['a function', () => () => 1],
      ['a class', () => Float32Array],
      ['an object', () => ({})],
      ['an object without prototype', () => Object.create(null) as unknown],
      ['an array-like object', () => ({ length: 3, 0: 1, 1: 2, 2: 3 })],
      ['a DataView', () => new DataView(new ArrayBuffer(12))],
      ['an ArrayBuffer', () => new ArrayBuffer(12)],
      ['a SharedArrayBuffer', () => new SharedArrayBuffer(12)],
      ['a Set', () => new Set([1])],
      ['a Map', () => new Map([[0, 1]])],
      ['a Date', () => new Date()],
      ['a RegExp', () => /1/],
      ['an Error', () => new Error('1')],
      ['a Promise', () => Promise.resolve(1)],
      ['a boxed number', () => Object(1) as unknown],
      ['a boxed string', () => Object('1') as unknown],
      ['an iterator', () => [1][Symbol.iterator]()],
      ['arguments with holes', () => new Array(3)],
      ['an object that looks like a Float32Array', () => Object.create(Float32Array.prototype) as unknown],
      [
        'an object tagged as a Float32Array',
        () => ({ [Symbol.toStringTag]: 'Float32Array', length: 3, byteLength: 12, BYTES_PER_ELEMENT: 4 }),
      ],
      ['an object with a constructor named Float32Array', () => ({ constructor: { name: 'Float32Array' }, length: 3 })],
      ['a Proxy of a typed array', () => new Proxy(new Float32Array(3), {})],
      ['data without a shape', () => ({ data: new Float32Array(3) })],
      ['a shape without data', () => ({ shape: [3] })],
      ['an object of null data', () => ({ data: null, shape: [3] })],
      ['an accumulator', () => new LossAccumulator()],
      ['a criterion', () => new HingeEmbeddingLoss()],
    ]
    if ('Float16Array' in globalThis) {
      const Float16Array = Reflect.get(globalThis, 'Float16Array') as new (length: number) => unknown
      noTensors.push(['a Float16Array', () => new Float16Array(3)])
    }

    for (const [title, value] of noTensors) {
      it(`${title} as input, label or data is a TypeError that names the argument`, () => {
        const calls: [RegExp, (value: never) => unknown][] = [
          [/input/, (value) => mean(value, 1)],
          [/input/, (value) => none.forward(value, y)],
          [/input/, (value) => hingeEmbeddingLoss(value, value)],
          [/input/, (value) => new LossAccumulator().update(value, 1)],
          [/label/, (value) => mean(x, value)],
          [/label/, (value) => none.forward(x, value)],
          [/label/, (value) => hingeEmbeddingLoss(x, value, { reduction: 'sum' })],
          [/label/, (value) => new LossAccumulator().update(x, value)],
          [/input/, (value) => mean.backward(value, 1)],
          [/label/, (value) => none.valueAndGrad(x, value)],
          [/gradOutput/, (value) => none.backward(x, y, value ?? null)],
          [/data/, (value) => new Tensor(value)],
        ]
        for (const [message, call] of calls) {
          expect(() => call(value() as never))
            .to.throw(TypeError, message)
            .with.property('code', 'ERR_INVALID_ARG_TYPE')
          expect(() => call(value() as never))
            .to.throw(Error)
            .with.property('message')
            .with.length.below(300)
        }
      })
    }

    rejects(TypeError, 'ERR_INVALID_ARG_TYPE', [
      ['no arguments', () => Reflect.apply(mean, undefined, []), /input/],
      ['no label', () => Reflect.apply(mean, undefined, [x]), /label/],
      ['an input of int32', () => mean(new Int32Array(3), y), /input.*float32.*float64.*int32/],
      ['a margin that is a string', () => new HingeEmbeddingLoss(options({ margin: '1' })), /margin.*number.*'1'/],
      ['a margin that is null', () => new HingeEmbeddingLoss(options({ margin: null })), /margin.*number.*null/],
      ['a margin that is a bigint', () => new HingeEmbeddingLoss(options({ margin: 1n })), /margin.*number.*1n/],
      ['a margin that is a symbol', () => new HingeEmbeddingLoss(options({ margin: Symbol('s') })), /margin/],
      ['a margin that is an object', () => new HingeEmbeddingLoss(options({ margin: { valueOf: () => 1 } })), /margin/],
      ['a reduction that is a number', () => new HingeEmbeddingLoss(options({ reduction: 1 })), /reduction/],
      ['a reduction that is null', () => new HingeEmbeddingLoss(options({ reduction: null })), /reduction/],
      [
        'a reduction that is a boxed string',
        () => hingeEmbeddingLoss(x, y, options({ reduction: Object('sum') })),
        /reduction/,
      ],
      ['a name that is a number', () => new HingeEmbeddingLoss(options({ name: 1 })), /name/],
      ['a name that is null', () => new HingeEmbeddingLoss(options({ name: null })), /name/],
      ['a name that is a symbol', () => new HingeEmbeddingLoss(options({ name: Symbol('s') })), /name/],
      [
        'a positiveLabel that is a string',
        () => new HingeEmbeddingLoss(options({ positiveLabel: '1' })),
        /positiveLabel/,
      ],
      [
        'a negativeLabel that is a bigint',
        () => new HingeEmbeddingLoss(options({ negativeLabel: 0n })),
        /negativeLabel/,
      ],
      ['otherLabels that is true', () => new HingeEmbeddingLoss(options({ otherLabels: true })), /otherLabels/],
      ['options that are null', () => new HingeEmbeddingLoss(options(null)), /options.*null/],
      ['options that are a number', () => new HingeEmbeddingLoss(options(1)), /options/],
      ['options that are a string', () => hingeEmbeddingLoss(x, y, options('sum')), /options/],
      ['options that are an array', () => new HingeEmbeddingLoss(options([1])), /options/],
      ['options of forward that are null', () => none.forward(x, y, options(null)), /options/],
      ['options of forward that are a number', () => none.forward(x, y, options(3)), /options/],
      ['an out in place of the options', () => none.forward(x, y, options([0, 0, 0])), /options/],
      ['options of backward that are null', () => none.backward(x, y, 1, options(null)), /options.*null/],
      ['an out in place of the options of valueAndGrad', () => mean.valueAndGrad(x, y, options(x)), /options/],
      ['an out of backward that is no memory', () => none.backward(x, y, 1, { out: options([0, 0, 0]) }), /out/],
      ['an out of another dtype', () => mean.valueAndGrad(x, y, { out: new Float64Array(3) }), /out.*float32.*float64/],
      ['a gradOutput of another dtype', () => none.backward(x, y, new Float64Array(3)), /gradOutput.*float32.*float64/],
      ['a gradOutput of integers', () => none.backward(x, y, new Int32Array(3)), /gradOutput.*float32.*int32/],
      [
        'a tensor as the gradOutput of a mean',
        () => mean.backward(x, y, options(x)),
        /gradOutput.*number.*'mean'.*Float32Array/,
      ],
      [
        'an array as the gradOutput of a mean',
        () => mean.backward(x, y, options([1])),
        /gradOutput.*number.*'mean'.*array of 1/,
      ],
      ['options of tensor that are null', () => tensor([1], options(null)), /options/],
      ['a number of threads that is a string', () => setNumThreads(options('2')), /'2'/],
      ['a number of threads that is null', () => setNumThreads(options(null)), /null/],
      ['a number of threads that is a bigint', () => setNumThreads(options(2n)), /2n/],
      ['no number of threads', () => Reflect.apply(setNumThreads, undefined, []), /undefined/],
    ])

    it('a class called without new is a TypeError', () => {
      expect(() => Reflect.apply(HingeEmbeddingLoss, undefined, [x, y])).to.throw(TypeError, /new/)
      expect(() => Reflect.apply(Tensor, undefined, [x])).to.throw(TypeError, /new/)
    })
  })

  describe('value out of range: RangeError ERR_INVALID_ARG_VALUE', () => {
    const create = (value: unknown) => () => new HingeEmbeddingLoss(options(value))
    const labels = (value: unknown) => [
      () => new HingeEmbeddingLoss(options(value)),
      () => hingeEmbeddingLoss(x, y, options(value)),
      () => new LossAccumulator(options(value)),
    ]
    const shared = Float32Array.of(1, 1, -1)
    rejects(RangeError, 'ERR_INVALID_ARG_VALUE', [
      ['a margin of NaN', create({ margin: Number.NaN }), /margin.*finite.*NaN/],
      ['a margin of Infinity', create({ margin: Infinity }), /margin.*finite.*Infinity/],
      ['a margin that overflows float32', () => hingeEmbeddingLoss(x, y, { margin: 1e39 }), /margin.*1e\+?39/],
      ['an unknown reduction', create({ reduction: 'avg' }), /reduction must be 'none', 'mean' or 'sum', got 'avg'/],
      ['a reduction of another case', create({ reduction: 'Mean' }), /reduction/],
      ['an empty reduction', create({ reduction: '' }), /reduction/],
      ['a reduction every object has', create({ reduction: 'constructor' }), /reduction/],
      ['a reduction without end', create({ reduction: 'x'.repeat(100_000) }), /reduction/],
      ['an unknown policy', create({ otherLabels: 'mask' }), /otherLabels.*'error'.*'zero'.*'ignore'.*'mask'/],
      ['an unknown option', create({ marginn: 2 }), /marginn/],
      ['an unknown option of the function', () => hingeEmbeddingLoss(x, y, options({ out: x })), /out/],
      ['an unknown option of forward', () => none.forward(x, y, options({ ouf: x })), /ouf/],
      ['an unknown option of backward', () => none.backward(x, y, 1, options({ ouf: x })), /ouf/],
      ['an out that is the gradOutput', () => none.backward(x, y, shared, { out: shared }), /out.*gradOutput/],
      [
        'an out of gradients that overlaps the input',
        () => mean.valueAndGrad(x.subarray(0, 2), 1, { out: x.subarray(1, 3) }),
        /out.*overlap/,
      ],
      ['an out of gradients that is the label', () => mean.backward(x, shared, 1, { out: shared }), /out.*label/],
      ['an unknown option of an accumulator', () => new LossAccumulator(options({ marginn: 2 })), /marginn/],
      ['0 threads', () => setNumThreads(0), /1.*1024.*0/],
      ['−1 threads', () => setNumThreads(-1), /-1/],
      ['1025 threads', () => setNumThreads(1025), /1025/],
      ['1.5 threads', () => setNumThreads(1.5), /1\.5/],
      ['NaN threads', () => setNumThreads(Number.NaN), /NaN/],
      ['Infinity threads', () => setNumThreads(Infinity), /Infinity/],
      ['2^32 + 1 threads', () => setNumThreads(2 ** 32 + 1), /4294967297/],
      [
        'accumulators of different settings merged',
        () => new LossAccumulator().merge(new LossAccumulator({ margin: 2 })),
        /margin/,
      ],
      ['malformed JSON', () => LossAccumulator.fromJSON({ version: 1 }), /./],
      ['an index outside a tensor', () => tensor([1]).at(1), /1/],
      ['an unknown dtype', () => tensor([1], { dtype: options('float16') }), /dtype.*float16/],
      ['a value that an integer dtype has not', () => tensor([300], { dtype: 'int8' }), /300/],
      ['an out for mean', () => mean.forward(x, y, { out: new Float32Array(3) }), /out/],
      [
        'an out that overlaps the input',
        () => none.forward(x.subarray(0, 2), 1, { out: x.subarray(1, 3) }),
        /out.*overlap|overlap.*out/,
      ],
    ])

    for (const [title, value, message] of [
      ['equal labels', { positiveLabel: 2, negativeLabel: 2 }, /positiveLabel|negativeLabel/],
      ['a positiveLabel that is the negative one by default', { positiveLabel: -1 }, /positiveLabel|negativeLabel/],
      ['a negativeLabel that is the positive one by default', { negativeLabel: 1 }, /positiveLabel|negativeLabel/],
      ['labels 0 and −0', { positiveLabel: 0, negativeLabel: -0 }, /positiveLabel|negativeLabel/],
      ['a label of 0.5', { negativeLabel: 0.5 }, /negativeLabel.*0\.5/],
      ['a label of NaN', { negativeLabel: Number.NaN }, /negativeLabel.*NaN/],
      ['a label of Infinity', { positiveLabel: Infinity }, /positiveLabel.*Infinity/],
      ['a label of 2^24 + 1', { positiveLabel: 2 ** 24 + 1 }, /positiveLabel.*16777217/],
      ['a label of −2^24 − 1', { negativeLabel: -(2 ** 24) - 1 }, /negativeLabel.*-16777217/],
    ] as const) {
      it(`throws a RangeError for ${title}`, () => {
        for (const call of labels(value)) {
          expect(call).to.throw(RangeError, message).with.property('code', 'ERR_INVALID_ARG_VALUE')
        }
      })
    }

    it('a refused number of threads leaves the number as it was', () => {
      const before = getNumThreads()
      expect(() => setNumThreads(0)).to.throw(RangeError)
      expect(getNumThreads()).to.equal(before)
    })
  })

  describe('shapes of input, label or out differ; data length does not fit the shape: RangeError ERR_SHAPE_MISMATCH', () => {
    rejects(RangeError, 'ERR_SHAPE_MISMATCH', [
      ['label of another shape', () => mean([[1, 2]], [1, -1]), /label.*\[1, 2\].*\[2\]|label.*\[2\].*\[1, 2\]/],
      ['label of another length', () => mean(x, [1]), /label.*3.*1/],
      ['label of another shape in an accumulator', () => new LossAccumulator().update(x, [1]), /label.*3.*1/],
      ['label of another shape where one is empty', () => mean([], [1]), /label/],
      ['out of another length', () => none.forward(x, y, { out: new Float32Array(2) }), /out.*3.*2|out.*2.*3/],
      [
        'out of another shape',
        () =>
          none.forward(
            [x, y].map((row) => [...row]),
            1,
            { out: tensor([1, 2]) },
          ),
        /out/,
      ],
      ['gradOutput of another length', () => none.backward(x, y, [1]), /gradOutput.*3.*1/],
      ['gradOutput of another shape', () => none.backward(x, y, [[1, 2, 3]]), /gradOutput.*\[3\].*\[1, 3\]/],
      ['out of gradients of another length', () => mean.backward(x, y, 1, { out: new Float32Array(2) }), /out.*3.*2/],
      ['data that does not fit', () => new Tensor(x, [2, 2]), /4.*3|3.*4|\[2, 2\].*3|3.*\[2, 2\]/],
      ['data of others that does not fit', () => mean({ data: x, shape: [2] }, 1), /input/],
      ['ragged arrays', () => mean([[1, 2], [3]], 1), /input/],
      ['ragged labels', () => mean([1, 2], [[1, 2], [3]]), /label/],
    ])
  })

  describe('a label that is neither: RangeError ERR_INVALID_LABEL', () => {
    it('an error about a label has its index and value, and the number of such labels', () => {
      const label = Float64Array.of(1, -1, 0, 7, 1, 0.5)
      for (const call of [
        () => mean(new Float32Array(6), label),
        () => none(new Float64Array(6), label),
        () => hingeEmbeddingLoss([0, 0, 0, 0, 0, 0], label, { reduction: 'sum' }),
        () => new LossAccumulator().update(new Float32Array(6), label),
        () => mean.backward(new Float32Array(6), label),
        () => none.valueAndGrad(new Float64Array(6), label),
        () => mean.valueAndGrad(new Float64Array(6), label),
      ]) {
        try {
          call()
          expect.fail('nothing was thrown')
        } catch (error) {
          expect(error).to.be.an.instanceof(RangeError).with.property('code', 'ERR_INVALID_LABEL')
          expect(error).to.include({ index: 2, value: 0, count: 3 })
          expect((error as InvalidLabelError).message)
            .to.match(/\b3\b/)
            .and.match(/\b2\b/)
            .and.include('negativeLabel: 0')
          expect((error as InvalidLabelError).message).to.include('label')
        }
      }
    })

    it('an error about a label has its index in the order of the caller, also if strides change the order in memory', () => {
      const transposed = { data: Float32Array.of(1, 1, 1, 9, 1, 1), shape: [2, 3], stride: [1, 2], offset: 0 }
      expect(() =>
        mean(
          [
            [0, 0, 0],
            [0, 0, 0],
          ],
          transposed,
        ),
      )
        .to.throw(RangeError)
        .with.property('index', 4)
    })
  })

  describe('the addon cannot be loaded: Error ERR_ADDON_NOT_LOADED', () => {
    let application: string
    let installed: string
    const prebuild = nameTarget()

    beforeEach(async () => {
      application = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
      writeFileSync(join(application, 'package.json'), '{}')
      installed = join(application, 'node_modules/hinge-embedding-loss')
      await installPackage(installed)
      rmSync(join(installed, 'build'), { recursive: true })
    })
    afterEach(() => rmSync(application, { recursive: true }))

    /** Writes a file that is no addon to a folder of the package. */
    function writeBroken(folder: string): string {
      mkdirSync(join(installed, folder), { recursive: true })
      const path = join(installed, folder, 'hinge_embedding_loss.node')
      writeFileSync(path, 'no library')
      return path
    }

    /** Imports the package, which must fail, and returns what the error says about the cause and the remedy. */
    async function explain(env: NodeJS.ProcessEnv = {}): Promise<string[]> {
      const script = `import('hinge-embedding-loss').catch(({ name, code, message }) => {
        console.log(JSON.stringify({ name, code, lines: message.split('\\n') }))
      })`
      const surroundings = {
        cwd: application,
        env: { npm_config_user_agent: '', HINGE_EMBEDDING_LOSS_BINARIES: '', ...env },
      }
      const output = await succeeds(node(['--eval', script], surroundings))
      const { name, code, lines } = JSON.parse(output) as { name: string; code: string; lines: string[] }
      expect({ name, code }).to.deep.equal({ name: 'Error', code: 'ERR_ADDON_NOT_LOADED' })
      expect(lines[0]).to.equal('the native addon of hinge-embedding-loss cannot be loaded')
      expect(lines[1]).to.match(/^platform \w+, arch \w+, Node v[\d.]+, libc (glibc [\d.]+|musl|the platform’s own)$/)
      expect(lines[1]).to.include(process.platform).and.include(process.arch).and.include(process.version)
      return lines.slice(2)
    }

    const missing = (folder: string) => `tried ${join(installed, folder, 'hinge_embedding_loss.node')}: missing`
    const build = (add: string) =>
      isWindows
        ? 'use Node for x64, which Windows runs on other processors too'
        : `to build it (python3, make and g++ 12 are needed), in ${application}: ${add} node-addon-api@8 node-gyp@12 && node node_modules/hinge-embedding-loss/scripts/build-addon.mjs`

    it('a platform without a prebuild is an error that names both paths, and how to build', async () => {
      const lines = [missing('build/Release'), missing(`prebuilds/${prebuild}`), build('npm install --save-dev')]
      expect(await explain()).to.deep.equal(lines)
    })

    it('a prebuild without its addon is an error that says how to install it again', async () => {
      mkdirSync(join(installed, 'prebuilds', prebuild), { recursive: true })
      expect((await explain()).at(-1)).to.equal(`to install it again, in ${application}: npm ci`)
    })

    it('a prebuild that does not load is an error with the words of the system, and how to install it again', async () => {
      const path = writeBroken(`prebuilds/${prebuild}`)
      const [tried, remedy, ...more] = await explain()
      expect(tried)
        .to.match(
          /^tried .*: .*(file too short|invalid ELF header|exec format error|not a mach-o file|not a valid win32 application|bad exe format)/i,
        )
        .and.include(path)
      expect(remedy).to.equal(`to install it again, in ${application}: npm ci`)
      expect(more).to.deep.equal([])
    })

    it('a prebuild that needs what the system lacks is an error with the words of the system, and how to build', async function () {
      if (!isInstalled('g++')) this.skip()
      const path = writeBroken(`prebuilds/${prebuild}`)
      const source = join(application, 'needy.cpp')
      writeFileSync(source, 'extern int lacking; int *needed = &lacking;')
      await succeeds(run('g++', ['-shared', '-fPIC', source, '-o', path]))
      const [tried, remedy] = await explain()
      expect(tried).to.match(/^tried .*(symbol.*lacking|lacking.*symbol)/i)
      expect(remedy).to.equal(build('npm install --save-dev'))
    })

    it('a build from source that does not load is an error, even if there is a prebuild', async () => {
      const path = writeBroken('build/Release')
      mkdirSync(join(installed, 'prebuilds', prebuild), { recursive: true })
      cpSync(addonPath, join(installed, 'prebuilds', prebuild, 'hinge_embedding_loss.node'))
      const [tried, remedy] = await explain()
      expect(tried).to.include(path)
      expect(remedy).to.equal(build('npm install --save-dev'))
    })

    it('a wrong HINGE_EMBEDDING_LOSS_BINARIES is an error that names it, even if the package has binaries', async () => {
      mkdirSync(join(installed, 'build/Release'), { recursive: true })
      cpSync(addonPath, join(installed, 'build/Release/hinge_embedding_loss.node'))
      const [tried, remedy] = await explain({ HINGE_EMBEDDING_LOSS_BINARIES: 'elsewhere' })
      expect(tried).to.equal(`tried ${join(application, 'elsewhere/hinge_embedding_loss.node')}: missing`)
      expect(remedy).to.match(/^set HINGE_EMBEDDING_LOSS_BINARIES to a folder .* or unset it/)
    })

    it('a clone that is not built is an error that says npm run build', async () => {
      mkdirSync(join(installed, 'lib'))
      expect((await explain()).at(-1)).to.equal(`to build it, in ${installed}: npm run build`)
    })

    const managers: [lockFiles: string[], agent: string, add: string, reinstall: string][] = [
      [['package-lock.json'], 'npm/11.6.0 node/v20.19.0', 'npm install --save-dev', 'npm ci'],
      [['pnpm-lock.yaml'], 'pnpm/10.34.9 npm/?', 'pnpm add --save-dev', 'pnpm install --force'],
      [['yarn.lock'], 'yarn/1.22.22 npm/?', 'yarn add --dev', 'yarn install --force'],
      [
        ['yarn.lock', '.yarnrc.yml'],
        '',
        'yarn add --dev',
        `rm -r ${join('node_modules/hinge-embedding-loss')} && yarn install`,
      ],
      [['bun.lock'], 'bun/1.4.5 npm/?', 'bun add --dev', 'bun install --force'],
      [['deno.lock'], 'deno/2.9.6 npm/?', 'deno add --npm --dev', 'deno install --reload'],
    ]

    for (const [lockFiles, agent, add, reinstall] of managers) {
      it(`the error has the commands of ${add.split(' ')[0]} beside ${lockFiles.join(' and ')}`, async () => {
        for (const name of lockFiles) writeFileSync(join(application, name), '')
        const other = { npm_config_user_agent: 'npm/11.6.0' }
        expect((await explain(other)).at(-1)).to.equal(build(add))
        mkdirSync(join(installed, 'prebuilds', prebuild), { recursive: true })
        expect((await explain(other)).at(-1)).to.equal(`to install it again, in ${application}: ${reinstall}`)
      })

      if (agent !== '') {
        it(`the error has the commands of ${add.split(' ')[0]}, if that runs the program and no lock file is there`, async () => {
          expect((await explain({ npm_config_user_agent: agent })).at(-1)).to.equal(build(add))
        })
      }
    }

    it('the error has the commands of pnpm for a package in the store of pnpm', async function () {
      if (!makesLinks) this.skip()
      const stored = join(
        application,
        'node_modules/.pnpm/hinge-embedding-loss@0.1.0/node_modules/hinge-embedding-loss',
      )
      mkdirSync(dirname(stored), { recursive: true })
      renameSync(installed, stored)
      symlinkSync(stored, installed)
      expect((await explain()).at(-1)).to.equal(build('pnpm add --save-dev'))
    })

    it('a prebuild that is gone is an error that says how to install it again', async () => {
      mkdirSync(join(installed, 'prebuilds'))
      writeFileSync(join(installed, 'prebuilds/manifest.json'), JSON.stringify({ [prebuild]: {} }))
      expect((await explain()).at(-1)).to.equal(`to install it again, in ${application}: npm ci`)
    })

    it('a platform that is not in the manifest of the prebuilds is an error that says how to build', async () => {
      mkdirSync(join(installed, 'prebuilds'))
      writeFileSync(join(installed, 'prebuilds/manifest.json'), JSON.stringify({ 'plan9-x64': {} }))
      expect((await explain()).at(-1)).to.equal(build('npm install --save-dev'))
    })

    it('the error has the commands of an application for a copy of its modules alone', async () => {
      rmSync(join(application, 'package.json'))
      expect((await explain()).at(-1)).to.equal(build('npm install --save-dev'))
    })

    it('the error has a global command for a global package', async () => {
      const prefix = application
      application = join(prefix, 'lib')
      mkdirSync(application)
      renameSync(join(prefix, 'node_modules'), join(application, 'node_modules'))
      installed = join(application, 'node_modules/hinge-embedding-loss')
      const toBuild = await explain()
      mkdirSync(join(installed, 'prebuilds', prebuild), { recursive: true })
      const toInstall = await explain()
      const [buildIt, installIt] = [build('npm install --global'), `to install it again, in ${application}`]
      application = prefix
      expect(toBuild.at(-1)).to.equal(buildIt)
      expect(toInstall.at(-1)).to.equal(`${installIt}: npm install --global hinge-embedding-loss`)
    })
  })

  describe('hostile arguments', () => {
    const thrown = new Error('from inside the argument')
    const throws = () => {
      throw thrown
    }
    const everyTrap = new Proxy({}, { get: () => throws })

    it('proxies whose traps all throw cause an error', () => {
      for (const target of [{}, [], () => {}, new Float32Array(3)]) {
        const proxy = new Proxy(target, everyTrap) as never
        for (const call of [
          () => mean(proxy, 1),
          () => mean(x, proxy),
          () => none.forward(x, y, proxy),
          () => none.forward(x, y, { out: proxy }),
          () => none.backward(x, y, proxy),
          () => mean.valueAndGrad(x, y, { out: proxy }),
          () => new HingeEmbeddingLoss(proxy),
          () => new LossAccumulator(proxy),
          () => new LossAccumulator().merge(proxy),
          () => LossAccumulator.fromJSON(proxy),
          () => tensor(proxy),
          () => tensor([1], proxy),
          () => new Tensor(proxy),
          () => new Tensor(x, proxy),
          () => setNumThreads(proxy),
        ]) {
          expect(call).to.throw(Error)
        }
      }
    })

    it('revoked proxies cause an error', () => {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      for (const call of [
        () => mean(proxy as never, 1),
        () => mean(x, proxy as never),
        () => none.forward(x, y, { out: proxy as never }),
        () => new HingeEmbeddingLoss(proxy),
      ]) {
        expect(call).to.throw(Error)
      }
    })

    it('getters that throw cause an error, or are not read', () => {
      for (const key of ['margin', 'reduction', 'name', 'positiveLabel', 'negativeLabel', 'otherLabels']) {
        const hostile = Object.defineProperty({}, key, { get: throws, enumerable: true })
        expect(() => new HingeEmbeddingLoss(hostile), key).to.throw(Error)
      }
      for (const key of [
        'type',
        'dims',
        'data',
        'location',
        'dtype',
        'shape',
        'dataSync',
        'stride',
        'strides',
        'offset',
      ]) {
        const array = { type: 'float32', dims: [3], data: x, location: 'cpu', shape: [3] }
        const hostile = Object.defineProperty(array, key, { get: throws, enumerable: true }) as never
        survives(() => mean(hostile, 1), 2 / 3)
        survives(() => mean(x, hostile), 2 / 3)
      }
    })

    it('options whose getters answer differently are read once', () => {
      let reads = 0
      const fickle = {
        get margin() {
          return reads++ === 0 ? 2 : ('NaN' as never)
        },
      }
      const criterion = new HingeEmbeddingLoss(fickle)
      expect(criterion.margin).to.equal(2)
      expect(criterion([0], -1)).to.equal(2)
    })

    it('tensors whose getters answer differently crash nothing', () => {
      const answers: Record<string, unknown[]> = {
        data: [x, new Float32Array(1), new Float64Array(3), new Uint8Array(3), null, 'abc', new Float32Array(100)],
        shape: [[3], [300], [1], [-1], [2 ** 40], null, 3, ['3']],
        dims: [[3], [300], [1], [-1], [2 ** 40], null, 3],
        stride: [[1], [100], [-1], [2 ** 40], null, []],
        offset: [0, 100, -1, 2 ** 40, null],
        type: ['float32', 'float64', 'string', null],
      }
      const base = {
        onnx: { type: 'float32', dims: [3], data: x, location: 'cpu' },
        scijs: { data: x, shape: [3], stride: [1], offset: 0 },
        plain: { data: x, shape: [3] },
      }
      for (const honest of Object.values(base)) {
        for (const [key, values] of Object.entries(answers)) {
          if (!(key in honest)) continue
          for (const value of values) {
            for (const turn of [1, 2, 3]) {
              let reads = 0
              const first = Reflect.get(honest, key) as unknown
              const fickle = Object.defineProperty({ ...honest }, key, { get: () => (reads++ < turn ? first : value) })
              for (const call of [() => none(fickle as never, 1).size, () => none(x, fickle as never).size]) {
                reads = 0
                survives(call)
              }
            }
          }
        }
      }
    })

    it('shapes whose elements answer differently are read once, or cause an error', () => {
      const shape = [3]
      let reads = 0
      Object.defineProperty(shape, 0, { get: () => (reads++ === 0 ? 3 : 1_000_000) })
      survives(() => none({ data: x, shape }, 1).toArray(), [1, -2, 3])
      reads = 0
      survives(() => new Tensor(x, shape).toArray(), [1, -2, 3])
    })

    it('typed arrays that lie about their length, class or buffer are read as they are, or cause an error', () => {
      const long = Object.defineProperty(Float32Array.of(1, 2), 'length', { value: 2 ** 30 })
      survives(() => none(long, 1).data, Float32Array.of(1, 2))
      survives(() => none.forward(new Float32Array(1000), 1, { out: long }).size)
      class Liar extends Float32Array {
        override get length() {
          return 2 ** 30
        }
      }
      survives(() => hingeEmbeddingLoss(new Liar([1, 2]), 1, { reduction: 'sum' }), 3)
      survives(() => hingeEmbeddingLoss([1, 2], new Liar([1, 1]), { reduction: 'sum' }), 3)

      const bytes = Object.setPrototypeOf(new Uint8Array(8), Float32Array.prototype) as Float32Array
      expect(() => mean(bytes, 1))
        .to.throw(TypeError)
        .with.property('code', 'ERR_INVALID_ARG_TYPE')
      survives(() => hingeEmbeddingLoss(new Float32Array(8), bytes, { otherLabels: 'zero' }), 0)
      expect(() => none.forward(new Float32Array(8), 1, { out: bytes })).to.throw(TypeError)
      const doubles = Object.setPrototypeOf(Float32Array.of(1, 2), Float64Array.prototype) as Float64Array
      survives(() => none(doubles, 1).data.length, 2)
      survives(() => none.forward(Float64Array.of(1, 2), 1, { out: doubles }))
      const orphan = Object.setPrototypeOf(Float32Array.of(1, 2), null) as Float32Array
      survives(() => mean(orphan, 1), 1.5)
      const misnamed = Object.defineProperty(Int16Array.of(1, 2), 'constructor', { value: Float64Array })
      expect(() => mean(misnamed, 1)).to.throw(TypeError)
      const tagged = Object.defineProperty(Int8Array.of(1, 2), Symbol.toStringTag, { value: 'Float64Array' })
      expect(() => mean(tagged, 1)).to.throw(TypeError)
      const moved = Object.defineProperty(Float32Array.of(1, 2), 'buffer', { value: new ArrayBuffer(0) })
      survives(() => mean(moved, 1), 1.5)
    })

    it('a species of another class has no effect', () => {
      class Odd extends Float32Array {
        static get [Symbol.species]() {
          return Uint8Array as unknown as Float32ArrayConstructor
        }
      }
      expect(none(new Odd([300, 2]), 1).toArray()).to.deep.equal([300, 2])
    })

    it('an element that all arrays inherit is never taken for the memory of a call', () => {
      for (const size of [2, 20, 200]) {
        const ones = Array<number>(size).fill(1)
        const inherited = new Int8Array(size)
        let losses: Tensor, gradients: Tensor, numbers: Tensor
        Object.defineProperty(Array.prototype, size, { value: inherited, configurable: true })
        try {
          losses = none(Float32Array.from(ones), 1)
          gradients = mean.backward(Float64Array.from(ones), 1, size)
          numbers = tensor(ones)
        } finally {
          Reflect.deleteProperty(Array.prototype, size)
        }
        for (const { data } of [losses, gradients, numbers])
          expect(Array.from(data as Float32Array)).to.deep.equal(ones)
        expect(inherited.every((value) => value === 0)).to.equal(true)
      }
    })

    it('a program that replaces the methods of arrays does not get hold of the shape of a tensor', () => {
      const replaced = ['slice', 'join', 'includes', 'reduce', 'concat'] as const
      const seen: number[][] = []
      const originals = replaced.map((name) => Array.prototype[name])
      const texts: string[] = []
      try {
        replaced.forEach((name, i) => {
          Array.prototype[name] = function (this: number[], ...args: never[]) {
            seen.push(this)
            return (originals[i] as (...args: never[]) => never).apply(this, args)
          } as never
        })
        const vector = new Tensor(new Float32Array(5))
        texts.push(String(vector.shape.length), String(vector.toArray()), String(vector))
        none(new Float32Array(5), 1)
        expect(() => none(new Float32Array(5), new Float32Array(4))).to.throw(RangeError)
      } finally {
        replaced.forEach((name, i) => {
          Array.prototype[name] = originals[i] as never
        })
      }
      for (const array of seen.filter((array) => !Object.isFrozen(array))) array[0] = 7
      expect(seen).to.not.deep.equal([])
      expect(new Tensor(new Float32Array(5)).shape).to.deep.equal([5])
      expect(none(new Float32Array(5), 1).toArray()).to.deep.equal([0, 0, 0, 0, 0])
    })

    it('a proxy is asked a few times for its prototype, however long its chain of prototypes', () => {
      let reads = 0
      const endless: object = new Proxy(
        {},
        {
          getPrototypeOf: () => {
            reads++
            return endless
          },
        },
      )
      expect(Tensor.isTensor(endless)).to.equal(false)
      ours(() => mean(endless as never, 1))
      ours(() => none.forward(x, 1, { out: endless as never }))
      expect(reads).to.be.lessThan(20)
    })

    const detach = <T extends { buffer: ArrayBufferLike }>(array: T): T => {
      structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] })
      return array
    }

    it('detached memory causes an error, never an empty result', () => {
      for (const TypedArray of [Float32Array, Float64Array]) {
        for (const length of [1, 4, 100_000]) {
          const detached = () => detach(new TypedArray(length))
          const empty = new TypedArray(0)
          ours(() => mean(detached(), 1), /input/)
          ours(() => mean(detached(), empty), /input/)
          ours(() => none(detached(), 1), /input/)
          ours(() => mean(new TypedArray(length), detached()), /label/)
          ours(() => mean(empty, detached()), /label/)
          ours(() => none.forward(new TypedArray(length), 1, { out: detached() }), /out/)
          ours(() => none.forward(empty, 1, { out: detached() }), /out/)
          ours(() => new LossAccumulator().update(detached(), 1), /input/)
          ours(() => mean({ data: detached(), shape: [0] }, 1), /input/)
          ours(() => mean({ data: detached(), shape: [length] }, 1), /input/)
          ours(() => mean({ type: 'float32', dims: [0], data: detached(), location: 'cpu' } as never, 1))
        }
      }
      ours(() => mean([], detach(new BigInt64Array(3))), /label/)
      ours(() => new Tensor(detach(new Float32Array(3))))
      ours(() => new Tensor(detach(new Float32Array(3)), [0]))
      ours(() => tensor(detach(new Float32Array(3))))
    })

    it('a Tensor whose memory was detached later causes an error', () => {
      const lost = () => {
        const made = new Tensor(new Float32Array(4), [2, 2])
        detach(made.data)
        return made
      }
      ours(() => mean(lost(), 1), /input/)
      ours(() => none(lost(), lost()))
      ours(() => mean(new Tensor(new Float32Array(4), [2, 2]), lost()), /label/)
      ours(() => none.forward(new Tensor(new Float32Array(4), [2, 2]), 1, { out: lost() }), /out/)
      survives(() => lost().at(0, 0))
      survives(() => lost().toArray())
      survives(() => String(lost()))
      survives(() => inspect(lost()))
      expect(lost().shape).to.deep.equal([2, 2])
    })

    const resizable = (bytes: number, most: number) =>
      Reflect.construct(ArrayBuffer, [bytes, { maxByteLength: most }]) as ArrayBuffer & { resize(bytes: number): void }

    it('memory that was shrunk under a view causes an error', () => {
      const memory = resizable(64, 64)
      const fixed = new Float32Array(memory, 16, 4)
      const made = new Tensor(fixed)
      const tracking = new Tensor(new Float32Array(memory))
      expect(mean(made, 1)).to.equal(0)
      memory.resize(20)
      ours(() => mean(fixed, 1), /input/)
      ours(() => mean(fixed, new Float32Array(0)), /input/)
      ours(() => mean([], fixed), /label/)
      ours(() => mean(made, 1), /input/)
      ours(() => mean(tracking, 1), /input/)
      ours(() => none.forward(new Float32Array(4), 1, { out: fixed }), /out/)
      ours(() => none.forward(new Float32Array(4), 1, { out: made }), /out/)
      ours(() => new Tensor(fixed))
    })

    it('memory that shrinks or is transferred while arguments are read crashes nothing', () => {
      const steal: ((array: Float32Array, memory: ReturnType<typeof resizable>) => void)[] = [
        (_, memory) => memory.resize(0),
        (_, memory) => memory.resize(4096),
        (array) => detach(array),
      ]
      for (const take of steal) {
        for (const asLabel of [false, true]) {
          const memory = resizable(4_000_000, 8_000_000)
          const victim = new Float32Array(memory, 0, 1_000_000).fill(1)
          const thief = {
            shape: [1_000_000],
            get data() {
              take(victim, memory)
              return new Float32Array(1_000_000).fill(1)
            },
          }
          const call = asLabel ? () => none.forward(thief, victim) : () => none.forward(victim, thief)
          survives(() => call().size, 1_000_000)

          const ones = new Float32Array(1_000_000).fill(1)
          for (const call of [
            (out: Float32Array, thief: TensorLike) => none.forward(thief, 1, { out }),
            (out: Float32Array, thief: TensorLike) => none.forward(ones, thief, { out }),
            (out: Float32Array, thief: TensorLike) => none.backward(ones, 1, thief, { out }),
            (out: Float32Array, thief: TensorLike) => none.backward(out, 1, thief),
            (out: Float32Array, thief: TensorLike) => mean.valueAndGrad(thief, 1, { out }).gradInput,
          ]) {
            const again = resizable(4_000_000, 8_000_000)
            const out = new Float32Array(again, 0, 1_000_000)
            const outThief = {
              shape: [1_000_000],
              get data() {
                take(out, again)
                return ones
              },
            }
            survives(() => call(out, outThief).size, 1_000_000)
          }
        }
      }
      const memory = resizable(4_000_000, 4_000_000)
      const victim = new Float32Array(memory, 0, 1_000_000)
      survives(() =>
        none.forward(victim, 1, {
          get out() {
            memory.resize(0)
            return new Float32Array(1_000_000)
          },
        }),
      )
    })

    it('arguments of another realm are read', () => {
      const context = vm.createContext({})
      const evaluate = (code: string) => vm.runInContext(code, context) as never
      expect(mean(evaluate('new Float64Array([1, 3])'), evaluate('new BigInt64Array([1n, 1n])'))).to.equal(2)
      expect(new HingeEmbeddingLoss(evaluate('({ margin: 3 })')).margin).to.equal(3)
      expect(none.forward(x, 1, { out: evaluate('new Float32Array(3)') }).toArray()).to.deep.equal([1, -2, 3])
      expect(() => mean(evaluate('new Map()'), 1))
        .to.throw(TypeError)
        .with.property('code', 'ERR_INVALID_ARG_TYPE')
      const total = new LossAccumulator().update(x, y)
      expect(LossAccumulator.fromJSON(evaluate(`(${JSON.stringify(total)})`)).toJSON()).to.deep.equal(total.toJSON())
    })

    it('methods called on foreign objects cause an error', () => {
      const impostors = [
        undefined,
        null,
        {},
        Object.create(HingeEmbeddingLoss.prototype),
        Object.create(Tensor.prototype),
      ]
      for (const impostor of impostors) {
        expect(() => Reflect.apply(HingeEmbeddingLoss.prototype.forward, impostor, [x, y])).to.throw(Error)
        expect(() => Reflect.apply(Tensor.prototype.toArray, impostor, [])).to.throw(Error)
        expect(() => Reflect.apply(Tensor.prototype.at, impostor, [0])).to.throw(Error)
      }
      for (const impostor of [Tensor.prototype, Object.create(Tensor.prototype)] as never[]) {
        expect(() => mean(impostor, 1)).to.throw(TypeError)
        expect(() => mean(x, impostor)).to.throw(TypeError)
        expect(() => none.forward(x, 1, { out: impostor })).to.throw(TypeError)
      }
    })

    describe('that override what a tensor is, are read as what they were made of', () => {
      const [input, label] = [Float32Array.of(0.25, 3, 0.5, 2), Int8Array.of(1, 1, -1, -1)]
      const losses = [0.25, 3, 0.5, 0]
      const claims: Record<string, unknown> = {
        dtype: 'float64',
        type: 'float64',
        data: new Float64Array(1),
        shape: [1],
        dims: [1],
        size: 1,
      }
      const ways: Record<string, (tensor: Tensor, key: string) => Tensor> = {
        'a property': (tensor, key) => Object.defineProperty(tensor, key, { value: claims[key] }),
        'a subclass': (tensor, key) => {
          class Liar extends Tensor {}
          Object.defineProperty(Liar.prototype, key, { get: () => claims[key] })
          return new Liar(tensor.data)
        },
        'another prototype': (tensor, key) => Object.setPrototypeOf(tensor, { [key]: claims[key] }),
      }
      for (const [way, lie] of Object.entries(ways)) {
        for (const key of Object.keys(claims)) {
          it(`a Tensor whose ${key} is overridden by ${way} is read as it was made`, async () => {
            const x = () => lie(new Tensor(input.slice()), key) as Tensor<Float32Array>
            const y = () => lie(new Tensor(label.slice()), key)
            const memory = new Float32Array(4)
            const out = lie(new Tensor(memory), key)
            expect(mean(x(), y())).to.equal(3.75 / 4)
            expect(none.forward(x(), y(), { out })).to.equal(out)
            expect([...memory]).to.deep.equal(losses)
            expect(await none.forwardAsync(x(), y(), { out })).to.equal(out)
            expect([...memory]).to.deep.equal(losses)
            none.backward(x(), y(), x(), { out })
            expect([...memory]).to.deep.equal([0.25, 3, -0.5, 0])
            expect(none.valueAndGrad(x(), y(), { out }).loss.toArray()).to.deep.equal(losses)
            expect([...memory]).to.deep.equal([1, 1, -1, 0])
            expect(new LossAccumulator().update(x(), y()).sum).to.equal(3.75)
            expect(tensor(x(), { dtype: 'float64' }).toArray()).to.deep.equal([...input])
          })
        }
      }

      it('a typed array whose length, buffer or class is overridden by a subclass is read as it is', () => {
        for (const key of [
          'length',
          'byteLength',
          'byteOffset',
          'buffer',
          'constructor',
          Symbol.toStringTag,
          'subarray',
        ]) {
          class Liar extends Float32Array {}
          Object.defineProperty(Liar.prototype, key, { get: () => (key === 'constructor' ? Float64Array : 1) })
          const x = new Liar(input)
          expect(mean(x, label)).to.equal(3.75 / 4)
          expect(new Tensor(x).size).to.equal(4)
          expect(none.backward(x, label, x).toArray()).to.deep.equal([0.25, 3, -0.5, 0])
          expect(tensor(x, { dtype: 'float64' }).toArray()).to.deep.equal([...input])
          expect(none({ data: x, shape: [2], strides: [2] } as never, 1).toArray()).to.deep.equal([0.25, 0.5])
        }
      })

      it('patches of the prototypes after the library was loaded have no effect', () => {
        const patches: [object, PropertyKey, PropertyDescriptor][] = [
          [Tensor.prototype, 'dtype', { get: () => 'float64' }],
          [Tensor.prototype, 'data', { get: () => new Float64Array(1) }],
          [Object.getPrototypeOf(Int8Array.prototype), Symbol.toStringTag, { get: () => 'Float64Array' }],
          [Object.getPrototypeOf(Int8Array.prototype), 'length', { get: () => 1 }],
          [Function.prototype, 'call', { value: () => 'Float64Array' }],
        ]
        const [x, y] = [new Tensor(input), new Tensor(label)]
        for (const [object, key, patch] of patches) {
          const before = Object.getOwnPropertyDescriptor(object, key) as PropertyDescriptor
          const results: number[] = []
          Object.defineProperty(object, key, { ...patch, configurable: true })
          try {
            results[0] = mean(x, y)
            results[1] = mean(input, label)
          } finally {
            Object.defineProperty(object, key, before)
          }
          expect(results).to.deep.equal([3.75 / 4, 3.75 / 4])
        }
      })
    })

    describe('small ones that claim to be large are refused at once', () => {
      const huge = (shape: number[]) => ({ data: [0.5], shape, strides: shape.map(() => 0) })
      const proxy = (length: number) => new Proxy([1], { get: (_, key) => (key === 'length' ? length : 1) })
      const sparse = (...values: unknown[]) => Object.assign(new Array(2 ** 30), values)
      let shared: unknown = [1, 1]
      for (let depth = 0; depth < 60; depth++) shared = [shared, shared]
      const bits = { typeId: 6 }
      const chunk = { length: 2 ** 30, offset: 0, nullCount: 0 }
      const small: Record<string, unknown> = {
        'a broadcast in JSON': JSON.parse(JSON.stringify(huge([16384, 8192]))),
        'a broadcast of 2^53 elements': huge([2 ** 53 - 1]),
        'a broadcast of more elements than numbers count': huge([2 ** 53 - 1, 2 ** 53 - 1]),
        'a broadcast of a typed array': { ...huge([2 ** 15, 2 ** 15]), data: new Float32Array(1) },
        'an Arrow vector in JSON': JSON.parse(JSON.stringify({ type: bits, data: [{ ...chunk, values: [0] }] })),
        'an Arrow vector of few bits': { type: bits, data: [{ ...chunk, values: new Uint8Array(1) }] },
        'chunks of no Arrow vector': { type: bits, data: sparse({ ...chunk, length: 8, values: new Uint8Array(1) }) },
        'an array of holes': new Array(2 ** 30),
        'an array of one element and holes': sparse(1),
        'nested arrays of holes': [sparse([1])],
        'an array of one array and holes': sparse([1, 2]),
        'nested arrays that repeat': shared,
        'a proxy': proxy(2 ** 32 - 1),
        'nested proxies': [[proxy(2 ** 31)]],
        'strides with holes': { data: [1], shape: [1], strides: new Array(2 ** 30) },
        'a shape with holes': { data: [1], shape: new Array(2 ** 30) },
      }
      for (const [title, value] of Object.entries(small)) {
        it(`refuses at once, whatever size it claims: ${title}`, async () => {
          const calls: (() => unknown)[] = [
            () => mean(value as never, 1),
            () => mean.forwardAsync(value as never, 1),
            () => mean(x, value as never),
            () => none.backward(x, y, value as never),
            () => new LossAccumulator().update(value as never, 1),
            () => new LossAccumulator().updateAsync(x, value as never),
            () => tensor(value as never, { dtype: 'float64' }),
          ]
          for (const call of calls) {
            const begin = performance.now()
            const memory = process.memoryUsage()
            const error = await Promise.resolve()
              .then(call)
              .then(
                () => expect.fail(title),
                (error: unknown) => error,
              )
            expect(error).to.have.property('code').that.is.oneOf(codes)
            expect(performance.now() - begin).to.be.below(1000)
            expect(process.memoryUsage().arrayBuffers - memory.arrayBuffers).to.be.below(2 ** 24)
          }
        })
      }

      it('a label that strides repeat to the shape of the input is read', () => {
        const label = { data: Int8Array.of(-1), shape: [2, 3], strides: [0, 0] }
        expect(
          none(
            [
              [0, 1, 2],
              [0.5, 0, 0],
            ],
            label,
          ).toArray(),
        ).to.deep.equal([
          [1, 0, 0],
          [0.5, 1, 1],
        ])
      })

      it('a tensor of more than a million empty arrays is refused by toArray', () => {
        const empty = tensor({ data: new Float32Array(0), shape: [2 ** 31, 0] })
        expect(mean(empty, 1)).to.be.NaN
        expect(String(empty)).to.equal('Tensor(float32, [2147483648, 0], [])')
        ours(() => empty.toArray(), /2\^20/)
        expect(tensor({ data: new Float32Array(0), shape: [2, 0, 2 ** 40] }).toArray()).to.deep.equal([[], []])
      })
    })

    describe('Apache Arrow vectors whose chunks do not hold what they say are refused', () => {
      const { type } = { type: { typeId: 3, precision: 1 } }
      const values = Float32Array.of(1, 2, 3)
      const chunk = { values, length: 3, offset: 0, nullCount: 0 }
      const wrong: Record<string, object[]> = {
        'more than its values': [{ ...chunk, length: 4 }],
        'a later one': [chunk, { ...chunk, length: 4 }],
        'a negative length': [{ ...chunk, length: -1 }],
        'a length that is no integer': [{ ...chunk, length: 1.5 }],
        'a length of NaN': [{ ...chunk, length: Number.NaN }],
        'no length': [{ ...chunk, length: undefined }],
        'a negative offset': [{ ...chunk, offset: -1 }],
        'nulls that cancel out': [
          { ...chunk, nullCount: -1 },
          { ...chunk, nullCount: 1 },
        ],
        'no count of nulls': [{ ...chunk, nullCount: undefined }],
        'values of another dtype': [{ ...chunk, values: Float64Array.of(1, 2, 3) }],
        'chunks of two dtypes': [chunk, { ...chunk, values: Int8Array.of(1, 2, 3) }],
        'values that are no typed array': [{ ...chunk, values: [1, 2, 3] }],
        'a chunk that is none': [undefined as never],
      }
      for (const [title, data] of Object.entries(wrong)) {
        it(`an Arrow vector with ${title} is refused`, () => {
          ours(() => mean({ type, data } as never, 1), /input/)
          ours(() => mean([1, 2, 3], { type, data } as never), /label/)
        })
      }

      it('Arrow vectors of bits beyond their bytes are refused', () => {
        const type = { typeId: 6 }
        const bits = (length: number, offset: number) => ({
          type,
          data: [{ values: Uint8Array.of(0b10101010), length, offset, nullCount: 0 }],
        })
        ours(() => tensor(bits(9, 0) as never), /8 values|at most 8/)
        ours(() => tensor(bits(4, 5) as never))
        ours(() => tensor(bits(1, 2 ** 32) as never))
        expect(tensor(bits(3, 5) as never).toArray()).to.deep.equal([1, 0, 1])
      })
    })

    it('tensors whose memory was transferred or shrunk are not converted', () => {
      for (const options of [{ dtype: 'float64' }, { shape: [1, 2] }, {}, { dtype: 'float32' }] as const) {
        const [moved, shrunk] = [new Tensor(Float32Array.of(1, 2)), resizable(8, 8)]
        const view = new Tensor(new Float32Array(shrunk))
        structuredClone(null, { transfer: [moved.data.buffer] })
        shrunk.resize(4)
        for (const gone of [moved, view]) {
          expect(() => tensor(gone, options))
            .to.throw(RangeError)
            .with.property('code', 'ERR_SHAPE_MISMATCH')
        }
      }
    })

    describe('a loss with a name', () => {
      const named = new HingeEmbeddingLoss({ name: 'pairs', reduction: 'none' })
      it('a loss with a name throws frozen errors as they are', () => {
        const frozen = Object.freeze(Object.assign(new RangeError('frozen'), { code: 'ERR_INVALID_ARG_VALUE' }))
        const options = {
          get out(): never {
            throw frozen
          },
        }
        expect(() => named.forward(x, y, options)).to.throw(frozen)
        const input = {
          get shape(): never {
            throw frozen
          },
        }
        expect(() => named(input as never, 1))
          .to.throw(RangeError, /^pairs: input.*frozen/)
          .with.property('cause', frozen)
      })

      it('a loss with a name throws values that are not errors as they are', () => {
        for (const thrown of ['a string', undefined, null, 1, Symbol('s'), { code: 'x' }, revoked()]) {
          const options = {
            get out(): never {
              throw thrown
            },
          }
          let caught: unknown = 'nothing'
          try {
            named.forward(x, y, options)
          } catch (error) {
            caught = error
          }
          expect(Object.is(caught, thrown)).to.equal(true)
        }
      })

      it('a loss with a long name has messages with the beginning of the name', () => {
        const long = new HingeEmbeddingLoss({ name: 'n'.repeat(10_000) })
        expect(() => long(x, [1]))
          .to.throw(RangeError, /label/)
          .with.property('message')
          .with.length.below(300)
      })
    })

    it('arguments that are revoked proxies cause an error with a code', () => {
      const calls: ((value: never) => unknown)[] = [
        (value) => mean(value, 1),
        (value) => mean(x, value),
        (value) => mean([value], 1),
        (value) => none.backward(x, y, value),
        (value) => none.forward(x, y, value),
        (value) => none.forward(x, y, { out: value }),
        (value) => mean({ data: value, shape: [1] }, 1),
        (value) => mean({ data: x, shape: value }, 1),
        (value) => new Tensor(x, value),
        (value) => new Tensor(value),
        (value) => new HingeEmbeddingLoss(value),
        (value) => new HingeEmbeddingLoss({ margin: value, name: value }),
        (value) => new HingeEmbeddingLoss({ reduction: value }),
        (value) => new LossAccumulator(value),
        (value) => new LossAccumulator().merge(value),
        (value) => LossAccumulator.fromJSON(value),
        (value) => LossAccumulator.fromJSON({ ...new LossAccumulator().toJSON(), positives: value }),
        (value) => setNumThreads(value),
        (value) => tensor([1], value),
        (value) => tensor([1], { dtype: value }),
        (value) => tensor([1], { shape: value }),
      ]
      for (const call of calls) ours(() => call(revoked() as never))
    })

    it('arguments of any length cause messages of one line', () => {
      const long = 'x\n'.repeat(100_000)
      class Named {}
      Object.defineProperty(Named, 'name', { value: long })
      const values: unknown[] = [
        long,
        Symbol(long),
        2n ** 1_000_000n,
        new Named(),
        new Array(64).fill(2 ** 40),
        Object.assign(new Array(3), { constructor: { name: long } }),
        { [long]: 1 },
        { shape: [1], data: [1], dtype: long },
        { type: long, dims: [1], data: new Float32Array(1) },
        {
          get shape() {
            throw new Error(long)
          },
        },
        new Array(64).fill(0).reduce<unknown>((inner) => [inner], long),
      ]
      const calls: ((value: never) => unknown)[] = [
        (value) => mean(value, 1),
        (value) => mean(x, value),
        (value) => new HingeEmbeddingLoss({ name: long })(x, value),
        (value) => none.forward(x, y, { out: value }),
        (value) => none.forward(x, y, value),
        (value) => none.backward(x, y, value),
        (value) => new Tensor(x, value),
        (value) => new Tensor(value),
        (value) => new Tensor(new Float32Array(1), new Array(64).fill(1)).at(value),
        (value) => new HingeEmbeddingLoss(value),
        (value) => new HingeEmbeddingLoss({ reduction: value }),
        (value) => new LossAccumulator({ margin: value }),
        (value) => LossAccumulator.fromJSON({ version: value }),
        (value) => LossAccumulator.fromJSON({ ...new LossAccumulator().toJSON(), others: value }),
        (value) => tensor(value, { dtype: 'int8' }),
        (value) => tensor([1], { dtype: value }),
        (value) => setNumThreads(value),
      ]
      for (const call of calls) {
        for (const value of values) {
          let message = ''
          try {
            call(value as never)
          } catch (error) {
            message = (error as Error).message
          }
          expect(message).to.have.length.below(300).and.not.include('\n')
        }
      }
    })

    it('shapes of very many dimensions are read right, or cause an error', () => {
      for (const rank of [100, 10_000, 1_000_000]) {
        const shape = new Array<number>(rank).fill(1)
        survives(() => new Tensor(Float32Array.of(1), shape).size, 1)
        survives(() => String(new Tensor(Float32Array.of(1), shape)).length < 2000, true)
        survives(() => typeof new Tensor(Float32Array.of(1), shape).toArray())
        survives(() => mean({ data: Float32Array.of(1), shape }, 1), 1)
        const strided = { data: Float32Array.of(1), shape, stride: shape, offset: 0 }
        survives(() => mean(strided, 1), 1)
        expect(() => mean({ data: Float32Array.of(1), shape }, [1, 2]))
          .to.throw(Error)
          .with.property('message')
          .with.length.below(2000)
      }
    })
  })
})
