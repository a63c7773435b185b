import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { readCode } from './pages.ts'
import { type Outcome, root, run } from './processes.ts'

/** What all consumers of a run share; test/consumers/setup.ts makes it. */
export interface Kit {
  readonly folder: string
  /** the package, as `npm pack` packs it */
  readonly tarball: string
  /** an application that has installed the package, and nothing else */
  readonly application: string
  /** three pairs with the losses 0.25, 0 and 0.5, in the columns `distance` and `label` */
  readonly pairs: string
  /** Returns the path of a file of a tool. */
  tool(name: string, path?: string): string
}

export function readKit(folder = process.env.CONSUMERS_FOLDER as string): Kit {
  return {
    folder,
    tarball: join(folder, 'package.tgz'),
    application: join(folder, 'application'),
    pairs: join(folder, 'pairs.parquet'),
    tool: (name, path = '') => join(folder, 'tools/node_modules', name, path),
  }
}

/**
 * The packages that the command line and SQL need. commander 15 is not for Node 20, which Yarn 1 takes for an error;
 * Yarn 4 and Deno refuse the latest DuckDB on its first day.
 */
export const peers = ['commander@14', '@duckdb/node-api@1.5.5-r.5']

/** What programs of packages and package managers call beside Node: pnpm's are scripts of a shell. */
const commands = ['sh', 'env', 'basename', 'cat', 'dirname', 'readlink', 'rm', 'sed', 'uname']

/** Makes a folder for PATH that has Node and no compiler. */
export function linkCommands(folder: string, node: string): void {
  mkdirSync(folder)
  symlinkSync(node, join(folder, 'node'))
  for (const name of commands) {
    symlinkSync(execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(), join(folder, name))
  }
}

/**
 * Returns the variables of a consumer. Of this process it keeps only those about certificates and proxies, so that
 * neither npm, which runs the tests, nor the machine's compilers show.
 */
export function consumerEnvironment(folder: string, variables: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => /CERT|_CA_|CAINFO|PROXY/i.test(name))
  const hidden = Object.keys(process.env).map((name) => [name, undefined] as const)
  const authorities = process.env.NODE_EXTRA_CA_CERTS
  return {
    ...Object.fromEntries([...hidden, ...kept]),
    ...(authorities && { DENO_CERT: authorities }),
    PATH: join(folder, 'bin'),
    HOME: join(folder, 'home'),
    CI: '1',
    NO_COLOR: '1',
    ...variables,
  }
}

export interface Place {
  /** the folder in which the consumer's own is made */
  readonly parent?: string
  readonly files?: Readonly<Record<string, string>>
  readonly env?: NodeJS.ProcessEnv
}

/** README's example with an accumulator and docs/sql.md's first one, as they are written there, and what they print. */
function readExamples() {
  const first = readCode('README.md', 'js').find((code) => code.includes('LossAccumulator')) ?? ''
  const [sql = ''] = readCode('docs/sql.md', 'js')
  const [, printed = ''] = /^console\.log.*\/\/ (.*)$/m.exec(sql) ?? []
  return { first, sql, printed }
}

const removeSpaces = (text: string) => text.replaceAll(/\s/g, '')

/** An application in a folder of its own, outside of the repository. */
export class Consumer {
  readonly kit = readKit()
  readonly folder: string
  readonly #env: NodeJS.ProcessEnv
  /** all commands and what they have printed */
  tried = ''

  constructor({ parent = readKit().folder, files = {}, env = {} }: Place = {}) {
    mkdirSync(parent, { recursive: true })
    this.folder = mkdtempSync(join(parent, 'consumer-'))
    this.#env = consumerEnvironment(this.kit.folder, env)
    this.write({ 'package.json': '{ "name": "application", "private": true }', ...files })
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true })
      writeFileSync(join(this.folder, path), text)
    }
  }

  /** Copies the installed package, which npm has unpacked from the tarball. */
  install(): this {
    cpSync(join(this.kit.application, 'node_modules'), join(this.folder, 'node_modules'), { recursive: true })
    return this
  }

  async run([command = '', ...args]: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const outcome = await run(command, args, { cwd: this.folder, env: { ...this.#env, ...env } })
    this.tried += `$ ${[command, ...args].join(' ')}\n${outcome.stdout}${outcome.stderr}`
    return outcome
  }

  /** Runs a command that must succeed. An error shows all that the consumer's commands have printed. */
  async succeeds(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const outcome = await this.run(command, env)
    expect(outcome.code, this.tried).to.equal(0)
    return outcome
  }

  async prints(command: readonly string[], wanted: string | RegExp, env: NodeJS.ProcessEnv = {}): Promise<void> {
    const { stdout } = await this.succeeds(command, env)
    if (typeof wanted === 'string') expect(removeSpaces(stdout), this.tried).to.equal(removeSpaces(wanted))
    else expect(stdout, this.tried).to.match(wanted)
  }

  /** Runs a command that must succeed and print text that matches, also on standard error. */
  async printsAnywhere(command: readonly string[], wanted: RegExp): Promise<void> {
    const { stdout, stderr } = await this.succeeds(command)
    expect(`${stdout}${stderr}`, this.tried).to.match(wanted)
  }

  /** Runs a command that must fail and print text that matches. */
  async fails(command: readonly string[], wanted: RegExp): Promise<void> {
    const { code, stdout, stderr } = await this.run(command)
    expect(code, this.tried).not.to.equal(0)
    expect(`${stdout}${stderr}`, this.tried).to.match(wanted)
  }

  /** Checks README's first example, by import and by require. */
  async computes(node: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
    const { first } = readExamples()
    this.write({
      'first.mjs': first,
      'first.cjs': first.replace(/^import (.*) from (.*)$/m, 'const $1 = require($2)'),
    })
    await this.prints([...node, 'first.mjs'], '0.25\n0.25 2\n', env)
    await this.prints([...node, 'first.cjs'], '0.25\n0.25 2\n', env)
  }

  /** Checks `score` of a Parquet file, by a command that runs the command line. */
  async scores(commandLine: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
    cpSync(this.kit.pairs, join(this.folder, 'pairs.parquet'))
    const command = [...commandLine, 'score', 'pairs.parquet', '--input', 'distance', '--label', 'label', '--json']
    const { stdout } = await this.succeeds(command, env)
    expect(JSON.parse(stdout), this.tried).to.deep.include({ count: 3, sum: 0.75, mean: 0.25 })
  }

  /** Checks the SQL example of docs/sql.md. */
  async queries(node: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
    const { sql, printed } = readExamples()
    this.write({ 'sql.mjs': sql })
    cpSync(join(root, 'examples/digit-pairs.parquet'), join(this.folder, 'examples/digit-pairs.parquet'))
    await this.prints([...node, 'sql.mjs'], printed, env)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
