import { appendFileSync, copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { node, root, succeeds } from '../support/processes.ts'

/** The faults that the build finds in a library, given by its path in the repository, as that of a target. */
async function findFaults(target: string, path: string): Promise<string[]> {
  const script = `
    import { findFaults } from ${JSON.stringify(join(root, 'scripts/prebuild/checks.mjs'))}
    import { targets } from ${JSON.stringify(join(root, 'scripts/targets.mjs'))}
    const target = targets.find(({ name }) => name === ${JSON.stringify(target)})
    const entries = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']
    console.log(JSON.stringify(findFaults(target, new Map([[${JSON.stringify(path)}, entries]]))))`
  return JSON.parse(await succeeds(node(['--input-type=module', '--eval', script]))) as string[]
}

const addonOf = (target: string) => `prebuilds/${target}/hinge_embedding_loss.node`

describe('the checks of a prebuild', () => {
  for (const target of ['linux-x64', 'linux-arm64-musl', 'win32-x64', 'darwin-arm64']) {
    it(`the addon of ${target} has no fault`, async () => {
      expect(await findFaults(target, addonOf(target))).to.deep.equal([])
    })
  }

  it('an addon of g++ needs newer libraries than users have, and exports what it should not', async () => {
    const faults = (await findFaults('linux-x64', 'build/Release/hinge_embedding_loss.node')).join('\n')
    expect(faults).to.match(/ needs libstdc\+\+\.so\.6, libgcc_s\.so\.1, which users may not have\n/)
    expect(faults).to.match(/ needs .*GLIBC_2\.3[24].*, later than 2\.17(\n|$)/)
    expect(faults).to.match(/ exports .*_ZN.* instead of napi_register_module_v1, node_api_module_get_api_version_v1\n/)
  })

  it('an extension in the place of an addon lacks the entries of one', async () => {
    const [fault] = await findFaults('linux-x64-musl', 'prebuilds/linux-x64-musl/hinge_embedding_loss.duckdb_extension')
    expect(fault).to.include(' exports hinge_embedding_loss_init_c_api instead of napi_register_module_v1, ')
  })

  it('the addon for glibc does not pass as one for musl, nor the other way round', async () => {
    expect((await findFaults('linux-x64-musl', addonOf('linux-x64')))[0]).to.include('needs libm.so.6')
    expect((await findFaults('linux-x64', addonOf('linux-x64-musl')))[0]).to.include('needs libc.so, which')
  })

  it('an addon that names a folder of this machine is found', async () => {
    const path = 'build/prebuild/named.node'
    copyFileSync(join(root, addonOf('darwin-x64')), join(root, path))
    try {
      appendFileSync(join(root, path), `${root}native/addon.cpp`)
      expect((await findFaults('darwin-x64', path)).at(-1)).to.equal(`${path} names the folder ${root} of this machine`)
    } finally {
      rmSync(join(root, path))
    }
  })
})
