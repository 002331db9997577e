import { spawnSync } from 'node:child_process'
import { test } from 'tap'

const GENERATORS = ['server/emit-openapi.ts', 'server/config/emit-docs.ts', 'sdk/generate.ts', 'cli/generate.ts']

for (const generator of GENERATORS) {
  void test(`what ${generator} makes is what is committed`, async (t) => {
    const { status, stderr } = spawnSync(process.execPath, [generator, '--check'], { encoding: 'utf8' })
    t.equal(status, 0, stderr)
  })
}
