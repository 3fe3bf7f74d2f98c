/** The parts of the OCI runtime specification's config.json (1.0.2) that we write. */
export interface Spec {
  readonly ociVersion: string;
  readonly process: SpecProcess;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname: string;
  readonly mounts: readonly SpecMount[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: SpecLinux;
}

export interface SpecProcess {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[] };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: Readonly<
    Record<'bounding' | 'effective' | 'permitted' | 'inheritable' | 'ambient', readonly string[]>
  >;
  readonly rlimits: readonly { readonly type: string; readonly soft: number; readonly hard: number }[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj?: number;
}

export interface SpecMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface SpecDevice {
  readonly path: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface SpecSeccomp {
  readonly defaultAction: 'SCMP_ACT_ALLOW';
  readonly architectures: readonly string[];
  readonly syscalls: readonly {
    readonly names: readonly string[];
    readonly action: 'SCMP_ACT_ERRNO';
    readonly errnoRet: number;
    readonly args?: readonly {
      readonly index: number;
      readonly value: number;
      readonly valueTwo: number;
      readonly op: 'SCMP_CMP_MASKED_EQ';
    }[];
  }[];
}

export interface SpecMemory {
  readonly limit?: number;
  readonly swap?: number;
  /** Of version 1 alone. */
  readonly swappiness?: number;
}

export interface SpecLinux {
  readonly cgroupsPath: string;
  readonly namespaces: readonly { readonly type: string; readonly path?: string }[];
  readonly resources: {
    readonly devices: readonly {
      readonly allow: boolean;
      readonly type?: string;
      readonly major?: number;
      readonly minor?: number;
      readonly access: string;
    }[];
    readonly memory?: SpecMemory;
    readonly cpu?: { readonly quota: number; readonly period: number };
    readonly pids?: { readonly limit: number };
  };
  readonly devices: readonly SpecDevice[];
  readonly sysctl: Readonly<Record<string, string>>;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly seccomp?: SpecSeccomp;
}
