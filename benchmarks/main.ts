import { join } from 'node:path'
import { runBench } from './command.ts'
import { BENCHMARKS } from './goals.ts'

process.exitCode = await runBench(process.argv.slice(2), BENCHMARKS, {
  print: (text) => void process.stdout.write(text),
  complain: (text) => void process.stderr.write(text),
  cwd: process.env['INIT_CWD'] ?? process.cwd(),
  results: join(import.meta.dirname, 'results'),
  readme: join(import.meta.dirname, 'README.md'),
})
