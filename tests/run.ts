import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

// All tests, or the files that are named. With --full every count has its full size. With --enforce, as the gate runs it: plain TAP, and a file
// below 100 % coverage fails.
const FLAGS = ['--full', '--enforce']
const [full, enforce] = FLAGS.map((flag) => process.argv.includes(flag))
const rest = process.argv.slice(2).filter((argument) => !FLAGS.includes(argument))
const sizes = { TEST_FULL: '1', TEST_FULL_FACTOR: process.env['TEST_FULL_FACTOR'] ?? '10' }
// What was compiled for one file serves the next. Not at full size: the coverage of code from a cache is less precise.
const cache = { NODE_COMPILE_CACHE: join(import.meta.dirname, '..', 'node_modules', '.cache', 'tests') }
const tap = spawn('tap', [...(enforce ? ['--reporter=tap', '--show-full-coverage'] : ['--allow-incomplete-coverage']), ...(full ? ['--timeout=600'] : []), ...rest], {
  stdio: 'inherit',
  env: { ...process.env, ...(full ? sizes : cache) },
})
const [status] = (await once(tap, 'exit')) as [number | null]
process.exitCode = status ?? 1
