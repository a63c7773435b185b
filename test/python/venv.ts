import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Environment {
  readonly folder: string
  readonly python: string
}

/** A Python that has these packages, in a folder that is the caller's to remove. */
export function makeEnvironment(packages: readonly string[]): Environment {
  const folder = mkdtempSync(join(tmpdir(), 'hinge-embedding-loss-'))
  const python = join(folder, 'bin/python')
  execFileSync('python3', ['-m', 'venv', folder])
  execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages])
  return { folder, python }
}
