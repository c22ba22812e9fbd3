export { readStream } from './stream-reader.ts'
export { writeStream } from './stream-writer.ts'
