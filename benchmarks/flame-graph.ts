import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { flameGraph, type CpuProfile } from './harness/flame-graph.ts'

// Prints the flame graph of a CPU profile, such as `npm run bench -- directory --profile DIR` leaves there.
const [file] = process.argv.slice(2)
if (file === undefined) {
  process.stderr.write('usage: npm run -s flame-graph -- FILE.cpuprofile > FILE.svg\n')
  process.exitCode = 2
} else process.stdout.write(flameGraph(JSON.parse(readFileSync(file, 'utf8')) as CpuProfile, basename(file)))
