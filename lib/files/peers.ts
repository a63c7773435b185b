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
 * Returns the module of an optional peer dependency.
 *
 * @throws {Error} ERR_PACKAGE_MISSING: it is not installed; the message says what to install
 */
export async function importPeer<T>(module: Promise<T>, feature: Feature): Promise<T> {
  try {
    return await module
  } catch (cause) {
    if (!codeOf(cause).endsWith('MODULE_NOT_FOUND')) throw cause
    const user = feature === 'redis' ? option('redis') : feature
    // Loaded here, where it can fail: a program that lacks its binaries still says so itself.
    const { root } = await import('../binaries.ts')
    const advice = `needs more packages: ${findManager(root).add} ${packages[feature].join(' ')}`
    throw fileError(message`${user} ${advice}`, { code: 'ERR_PACKAGE_MISSING' }, cause)
  }
}
