import { lstatSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { devNull, tmpdir } from 'node:os'
import { join } from 'node:path'

export const isWindows = process.platform === 'win32'

/** The path of a device. */
export const device = devNull

/** A name that is also a pattern, of characters that a name can have. */
export const globName = isWindows ? 'p[a].parquet' : 'p?[a]*.parquet'

/** True if this user may make symbolic links; on Windows few may, and Wine makes none. */
export const makesLinks = ((): boolean => {
  const folder = mkdtempSync(join(tmpdir(), 'links-'))
  try {
    symlinkSync(folder, join(folder, 'link'))
    return lstatSync(join(folder, 'link')).isSymbolicLink()
  } catch {
    return false
  } finally {
    rmSync(folder, { recursive: true })
  }
})()

/** Runs a function while temporary files go to this folder. */
export async function withTemporaryFolder<T>(folder: string, run: () => Promise<T>): Promise<T> {
  const { TMPDIR, TEMP } = process.env
  Object.assign(process.env, { TMPDIR: folder, TEMP: folder })
  try {
    return await run()
  } finally {
    for (const [name, value] of Object.entries({ TMPDIR, TEMP })) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}
