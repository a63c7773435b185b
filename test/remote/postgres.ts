import { execFileSync, type SpawnSyncOptions } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A PostgreSQL of Debian's package in a folder of its own, on a socket alone. */
export class Postgres {
  readonly folder: string
  readonly #programs: string
  readonly #user: SpawnSyncOptions

  private constructor(programs: string) {
    this.#programs = programs
    this.folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-postgres-'))
    this.#user = process.getuid?.() === 0 ? findUser('postgres') : {}
    if (this.#user.uid !== undefined) chownSync(this.folder, this.#user.uid, this.#user.gid as number)
  }

  /** Starts a server whose user `judge` has this password; undefined where PostgreSQL is not installed. */
  static start(password: string): Postgres | undefined {
    const programs = findPrograms()
    if (programs === undefined) return undefined
    const server = new Postgres(programs)
    const file = join(server.folder, 'password')
    writeFileSync(file, password, { mode: 0o644 })
    const data = join(server.folder, 'data')
    server.#run('initdb', ['-D', data, '-A', 'scram-sha-256', '-U', 'judge', `--pwfile=${file}`, '--no-sync'])
    const options = `-c listen_addresses='' -c unix_socket_directories='${server.folder}' -c fsync=off`
    server.#run('pg_ctl', ['-D', data, '-o', options, '-l', join(server.folder, 'log'), '-w', 'start'])
    return server
  }

  /** Runs statements, and returns what psql prints of their rows. */
  query(sql: string, password: string): string {
    const args = ['-h', this.folder, '-U', 'judge', '-d', 'postgres', '-qAtc', sql]
    return this.#run('psql', args, { PGPASSWORD: password }).trim()
  }

  stop(): void {
    this.#run('pg_ctl', ['-D', join(this.folder, 'data'), '-m', 'immediate', 'stop'])
    rmSync(this.folder, { recursive: true })
  }

  #run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
    const options = { ...this.#user, cwd: '/', env: { ...process.env, ...env }, stdio: 'pipe' } as const
    return execFileSync(join(this.#programs, program), args, options).toString()
  }
}

/** PostgreSQL does not run as root. */
function findUser(name: string): SpawnSyncOptions {
  const id = (flag: string) => Number(execFileSync('id', [flag, name]))
  return { uid: id('-u'), gid: id('-g') }
}

/** The folder of the programs of the newest PostgreSQL, as Debian has them. */
function findPrograms(folder = '/usr/lib/postgresql'): string | undefined {
  try {
    const [newest] = readdirSync(folder).sort((one, other) => Number(other) - Number(one))
    return newest === undefined ? undefined : join(folder, newest, 'bin')
  } catch {
    return undefined
  }
}
