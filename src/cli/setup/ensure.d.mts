export declare const root: string;
export declare function run(command: string, args: readonly string[], options?: object): number;
export declare function ensureDependencies(): void;
/** Path of a Chromium, "playwright" when Playwright has its own, null when there is none. */
export declare function findChromium(): Promise<string | null>;
export declare function ensureChromium(): Promise<string | null>;
