import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { isInstalled, root, run, succeeds } from '../support/processes.ts'

describe("the table of Node-API's functions, which the addon finds by name on Windows", () => {
  it('lists every function that the addon calls', async function () {
    if (process.platform !== 'linux' || !isInstalled('nm')) this.skip()
    const addon = join(root, 'build/Release/hinge_embedding_loss.node')
    const symbols = await succeeds(run('nm', ['--dynamic', '--undefined-only', addon]))
    const called = symbols.match(/\b(napi|node_api)_\w+/g) ?? []
    const listed = readFileSync(join(root, 'native/node_api_windows.cpp'), 'utf8').match(/(?<=FUNCTION\()\w+(?=\))/g)
    expect(called).to.include('napi_create_double')
    expect(listed).to.include.members(called)
  })
})
