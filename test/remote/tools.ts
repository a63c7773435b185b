import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { Program, run, succeeds } from '../support/processes.ts'

/** What the tests install, in the folder that REMOTE_TOOLS names, where later runs find it, or in one of this run. */
const kept = process.env.REMOTE_TOOLS
const folder = kept ?? mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-remote-'))

/** The folder of httpfs.duckdb_extension and aws.duckdb_extension. */
export const extensions = join(folder, 'extensions')

/** Installs extensions for the very version of DuckDB, and two servers of S3's protocol. */
export async function installTools(): Promise<void> {
  mkdirSync(folder, { recursive: true })
  if (!existsSync(extensions)) await downloadExtensions(extensions, 'httpfs', 'aws')
  const venv = join(folder, 'venv')
  if (!existsSync(venv)) {
    await succeeds(run('python3', ['-m', 'venv', venv]))
    await succeeds(run(join(venv, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', 'moto[server]']))
  }
  if (existsSync(join(folder, 'node_modules'))) return
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "dependencies": { "s3rver": "3.7.1" } }')
  const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  await succeeds(run('npm', install, { cwd: folder }))
}

export function removeTools(): void {
  if (kept === undefined) rmSync(folder, { recursive: true, force: true })
}

/** Downloads extensions for the very version of DuckDB from PyPI, as files of a folder. */
export async function downloadExtensions(to: string, ...names: readonly string[]): Promise<void> {
  const connection = await (await DuckDBInstance.create()).connect()
  const [[version = ''] = []] = (await connection.runAndReadAll('SELECT version()')).getRows() as string[][]
  connection.closeSync()
  const packages = names.map((name) => `duckdb-extension-${name.replaceAll('_', '-')}==${version.slice(1)}`)
  await succeeds(run('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', to, ...packages]))
  await succeeds(run('python3', ['-c', unpackWheels, to]))
}

const unpackWheels = `
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
for wheel in folder.glob('*.whl'):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith('.duckdb_extension'): (folder / pathlib.Path(name).name).write_bytes(archive.read(name))`

/** A server of S3's protocol in a process of its own, with a bucket `pairs`. */
export interface Store {
  readonly url: string
  /** the keys that it takes, where it takes no others */
  readonly environment?: Readonly<Record<string, string>>
  stop(): Promise<void>
}

export const stores: Readonly<Record<'s3rver' | 'moto', () => Promise<Store>>> = {
  async s3rver() {
    const data = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-s3rver-'))
    const script = `
      import { createRequire } from 'node:module'
      const S3rver = createRequire(${JSON.stringify(`${folder}/`)})('s3rver')
      const server = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: ${JSON.stringify(data)}, configureBuckets: [{ name: 'pairs' }] })
      const { port } = await server.run()
      console.log('port ' + port)`
    const program = new Program(process.execPath, ['--input-type=module', '--eval', script])
    await program.prints(/port \d+/, 'stdout')
    return {
      environment: { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' },
      url: `http://127.0.0.1:${/port (\d+)/.exec(program.stdout)?.[1]}`,
      async stop() {
        await program.end()
        rmSync(data, { recursive: true })
      },
    }
  },

  async moto() {
    const program = new Program(join(folder, 'venv/bin/moto_server'), ['-H', '127.0.0.1', '-p', '0'])
    await program.prints(/Running on http:\/\/127\.0\.0\.1:\d+/)
    const [url = ''] = /http:\/\/127\.0\.0\.1:\d+/.exec(program.stderr) ?? []
    const { status } = await fetch(`${url}/pairs`, { method: 'PUT' })
    if (status !== 200) throw new Error(`moto answered ${status}`)
    return {
      url,
      async stop() {
        await program.end()
      },
    }
  },
}
