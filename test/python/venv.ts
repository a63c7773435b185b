import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Environment {
  readonly folder: string
  readonly python: string
}

const environments = new Map<string, Environment>()

after(function () {
  this.timeout(300_000)
  for (const { folder } of environments.values()) rmSync(folder, { recursive: true })
})

/** A Python that has these packages, in a folder that lasts until the end of all tests. */
export function environmentOf(...packages: readonly string[]): Environment {
  const known = environments.get(packages.join())
  if (known !== undefined) return known
  const folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
  const python = join(folder, 'bin/python')
  execFileSync('python3', ['-m', 'venv', folder])
  execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages])
  environments.set(packages.join(), { folder, python })
  return { folder, python }
}

/** With what people write and read columns. */
export function environmentOfColumns(): Environment {
  return environmentOf('pyarrow', 'polars', 'pandas', 'numpy', 'duckdb')
}
