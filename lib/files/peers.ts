import { readFileSync } from 'node:fs'
import { findManager } from '../package-managers.ts'
import { codeOf, fileError, message, option } from './errors.ts'

/** The optional peer dependencies of each feature, as package managers take them: commander 15 is not for Node 20. */
const packages = {
  'the command line': ['commander@14', '@duckdb/node-api'],
  'scoring files': ['@duckdb/node-api'],
  redis: ['bullmq', 'ioredis'],
  Arrow: ['apache-arrow'],
  'Arrow compressed with LZ4': ['lz4-napi'],
  'Arrow compressed with ZSTD': ['zstddec'],
  '.npz': ['yauzl'],
  'a picture': ['vega'],
  'a picture in PNG': ['vega', '@resvg/resvg-js', 'dejavu-fonts-ttf'],
} as const

export type Feature = keyof typeof packages

/**
 * The oldest versions that work. package.json takes any version: npm would not install this package in an application that
 * has an older one for itself.
 */
const oldest: Readonly<Record<string, string>> = {
  '@resvg/resvg-js': '2.6',
  'apache-arrow': '21',
  bullmq: '6',
  'dejavu-fonts-ttf': '2.37',
  ioredis: '6',
  'lz4-napi': '2',
  vega: '6',
  yauzl: '3.4',
  zstddec: '0.3',
}

/** Returns the version of a package in node_modules. */
function readVersion(name: string): string {
  const entry = import.meta.resolve(name)
  const [manifest] = entry.match(new RegExp(`^.*/node_modules/${name}/`)) ?? []
  return (JSON.parse(readFileSync(new URL('package.json', manifest), 'utf8')) as { version: string }).version
}

/** The packages whose versions are not asked for again: a run imports Arrow once for each file. */
const checked = new Set<string>()

/** Returns what is wrong with a package that is older than it must be. */
function findOutdated(names: readonly string[]): string | undefined {
  for (const name of names) {
    const least = oldest[name]
    if (least === undefined || checked.has(name)) continue
    try {
      const version = readVersion(name)
      if (version.localeCompare(least, 'en', { numeric: true }) < 0) return `${name} ≥ ${least}, got ${version}`
    } catch {} // its version is unknown
    checked.add(name)
  }
  return undefined
}

/**
 * Returns the module of an optional peer dependency.
 *
 * @throws {Error} ERR_PACKAGE_MISSING: it is not installed, or is too old; the message says what to install
 */
export async function importPeer<T>(module: Promise<T>, feature: Feature): Promise<T> {
  const [outcome] = await Promise.allSettled([module])
  const cause = outcome.status === 'rejected' ? outcome.reason : undefined
  const user = feature === 'redis' ? option('redis') : feature
  const names = packages[feature]
  if (codeOf(cause).endsWith('MODULE_NOT_FOUND')) {
    // Loaded here, where it can fail: a program that lacks its binaries still says so itself.
    const { root } = await import('../binaries.ts')
    const advice = `needs more packages: ${findManager(root).add} ${names.join(' ')}`
    throw fileError(message`${user} ${advice}`, { code: 'ERR_PACKAGE_MISSING' }, cause)
  }
  const fault = findOutdated(names)
  if (fault !== undefined) throw fileError(message`${user} ${`needs ${fault}`}`, { code: 'ERR_PACKAGE_MISSING' }, cause)
  if (outcome.status === 'rejected') throw cause
  return outcome.value
}
