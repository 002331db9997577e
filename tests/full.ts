import { spawn } from 'node:child_process'
import { once } from 'node:events'

// The same suite with every count at full size. Extra arguments go to tap.
const tap = spawn('tap', ['--allow-incomplete-coverage', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, TEST_FULL: '1', TEST_FULL_FACTOR: process.env['TEST_FULL_FACTOR'] ?? '10' },
})
const [status] = (await once(tap, 'exit')) as [number | null]
process.exitCode = status ?? 1
