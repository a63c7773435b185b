import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { expect } from 'chai'
import { root } from '../support/processes.ts'

const native = join(root, 'native')
const files = readdirSync(native, { recursive: true, encoding: 'utf8' }).filter((path) => /\.(cpp|h|inl)$/.test(path))

/** From the bottom up. A file may include files of lower layers, and of its own folder in its own layer. */
const layers = [
  ['kernels', 'dtypes', 'exact_sum', 'float_environment'],
  ['convert', 'parallel', 'reduce'],
  ['hinge_embedding_loss'],
  ['addon', 'duckdb'],
]

/** A folder of native/, or a file of it without its extension. */
const roomOf = (path: string) => (path.split('/')[0] as string).replace(/\..*/, '')
const layerOf = (path: string) => layers.findIndex((rooms) => rooms.includes(roomOf(path)))

function includesOf(path: string, pattern: RegExp): string[] {
  return Array.from(readFileSync(join(native, path), 'utf8').matchAll(pattern), ([, name]) => name as string)
}

const ownIncludesOf = (path: string) =>
  includesOf(path, /^#include "(.+)"$/gm).map((name) => posix.join(posix.dirname(path), name))

describe('includes of native code', () => {
  it('run strictly downward, from the addon and the extension to the kernels', () => {
    for (const path of files) {
      expect(layerOf(path), `${path} has no layer`).to.be.at.least(0)
      for (const included of ownIncludesOf(path)) {
        const isInRoom = roomOf(included) === roomOf(path)
        expect(isInRoom || layerOf(included) < layerOf(path), `${path} includes ${included}`).to.equal(true)
      }
    }
  })

  it('have no circle', () => {
    const visit = (path: string, above: readonly string[]) => {
      expect(above, [...above, path].join(' → ')).to.not.include(path)
      for (const included of ownIncludesOf(path)) visit(included, [...above, path])
    }
    for (const path of files) visit(path, [])
  })

  it('name Node-API in addon.cpp alone', () => {
    const users = files.filter((path) => includesOf(path, /^#include <(napi|node_api|js_native_api).*>$/gm).length > 0)
    expect(users).to.deep.equal(['addon.cpp'])
  })
})
