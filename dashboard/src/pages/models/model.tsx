export function ModelPage() { return <p>soon</p>; }
