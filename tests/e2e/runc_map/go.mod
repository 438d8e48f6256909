module runc-map

go 1.21
