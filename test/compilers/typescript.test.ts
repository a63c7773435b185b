import { rmSync } from 'node:fs'
import { makeApplication, writeTypedPrograms } from '../support/application.ts'
import { run, succeeds } from '../support/processes.ts'

/** The oldest TypeScript that the README promises. npx installs it, because the project has its own TypeScript. */
const oldest = 'typescript@5.0.4'

describe('the types', function () {
  this.timeout(300_000)

  it(`the types compile in strict programs with ${oldest}`, async () => {
    const application = await makeApplication()
    try {
      writeTypedPrograms(application, ['imports.mts']) // require() of ES modules has types since 5.8
      await succeeds(run('npx', ['--yes', '--package', oldest, 'tsc', '--project', application], { cwd: '/' }))
    } finally {
      rmSync(application, { recursive: true })
    }
  })
})
