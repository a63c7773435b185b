import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Message, rewriteError, rewriteMessage } from './errors.ts'
import { nameRemote } from './remote.ts'
import { hideSecrets } from './secrets.ts'
import { removal } from './system.ts'

/** A copy of what cannot be read where it is. */
interface Copy {
  readonly path: string
  /** the name that the caller knows */
  readonly name: string
  /** the `file` of errors */
  readonly file: string
}

/** The temporary copies of a run, of standard input and of remote files. Messages about them have the names that the caller knows. */
export class Copies {
  readonly #byOrigin = new Map<string, Copy>()
  #folder: Promise<string> | undefined

  /** Adds a copy that something else removes. */
  add(path: string, name: string, file: string): void {
    this.#byOrigin.set(file, { path, name, file })
  }

  /** The path of the copy of a remote file; `write` makes it, once. The path ends as the URL does, and has its folders `key=value`. */
  async copy(url: string, write: (path: string) => Promise<void>): Promise<string> {
    const known = this.#byOrigin.get(url)
    if (known !== undefined) return known.path
    this.#folder ??= mkdtemp(join(tmpdir(), 'hinge-embedding-loss-'))
    const name = nameRemote(url)
    const folders = name
      .split('/')
      .slice(3, -1)
      .filter((folder) => folder.includes('='))
    const [extension = ''] = /(?:\.\w+){0,2}$/.exec(name) ?? []
    const path = join(await this.#folder, String(this.#byOrigin.size), ...folders, `file${extension}`)
    await mkdir(dirname(path), { recursive: true })
    this.#byOrigin.set(url, { path, name, file: name })
    await write(path)
    return path
  }

  /** The message with the names that the caller knows. */
  rename(text: Message): Message {
    return rewriteMessage(text, this.#rewrite)
  }

  /** The error with the names that the caller knows. */
  renameError(error: unknown): unknown {
    const fileOf = (path: string) => this.#all.find((copy) => copy.path === path)?.file ?? nameRemote(path)
    return rewriteError(error, this.#rewrite, fileOf)
  }

  /** The folder of the copies of remote files, if there are any. */
  get folder(): Promise<string> | undefined {
    return this.#folder
  }

  async remove(): Promise<void> {
    if (this.#folder !== undefined) await rm(await this.#folder, removal)
  }

  get #all(): readonly Copy[] {
    return [...this.#byOrigin.values()]
  }

  readonly #rewrite = (text: string): string => {
    return hideSecrets(this.#all.reduce((rewritten, { path, name }) => rewritten.replaceAll(path, name), text))
  }
}
