import { rmSync } from 'node:fs'
import { makeApplication, writeTypedPrograms } from '../support/application.ts'
import { run, succeeds } from '../support/processes.ts'

/** The oldest that the README promises; npm brings it, as one project has only one TypeScript beside its tools. */
const oldest = 'typescript@5.0.4'

describe('the types', function () {
  this.timeout(300_000)

  it(`are what strict programs take in ${oldest}`, async () => {
    const application = await makeApplication()
    try {
      writeTypedPrograms(application, ['imports.mts']) // require() of ES modules has types since 5.8
      await succeeds(run('npx', ['--yes', '--package', oldest, 'tsc', '--project', application], { cwd: '/' }))
    } finally {
      rmSync(application, { recursive: true })
    }
  })
})
