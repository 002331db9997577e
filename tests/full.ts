import { spawn } from 'node:child_process'
import { once } from 'node:events'

// The same suite with every count at full size. With --enforce, as the gate runs it: plain TAP, and a file below 100 % coverage fails.
const enforce = process.argv.includes('--enforce')
const rest = process.argv.slice(2).filter((argument) => argument !== '--enforce')
const tap = spawn('tap', [...(enforce ? ['--reporter=tap', '--show-full-coverage'] : ['--allow-incomplete-coverage']), '--timeout=600', ...rest], {
  stdio: 'inherit',
  env: { ...process.env, TEST_FULL: '1', TEST_FULL_FACTOR: process.env['TEST_FULL_FACTOR'] ?? '10' },
})
const [status] = (await once(tap, 'exit')) as [number | null]
process.exitCode = status ?? 1
